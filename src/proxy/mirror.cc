#include "proxy/mirror.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace sluice::proxy {

std::string ShadowHost(std::string_view authority) {
  // The colons of [::1] are none of a port.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  const std::string_view port =
      colon == std::string_view::npos ? std::string_view() : authority.substr(colon);
  return base::Cat(host, "-shadow", port);
}

Mirror::Mirror(WorkerContext& context, upstream::Cluster& cluster, const MirrorLimits& limits)
    : context_(context),
      limits_(limits),
      one_(context.options().buffers),
      two_(context.options().buffers),
      more_(context.loop()),
      timer_(&OnTimer, this),
      idle_timer_(&OnTimer, this) {
  try_.attempt.emplace(cluster);
  context_.Link(*this);
}

Mirror::~Mirror() {
  if (feeders_ != nullptr) std::erase(*feeders_, this);
  try_.Close();
  for (net::Buffer* buffer : {&one_, &two_}) {
    buffer->Consume(buffer->data().size());
    buffer->Release();
  }
  context_.Unlink(*this);
}

void Mirror::Start(WorkerContext& context, const config::MirrorPolicy& policy,
                   const http::RequestHead& head, const MirrorLimits& limits,
                   std::vector<Mirror*>& feeders) {
  std::string_view name = policy.cluster;
  if (!policy.cluster_header.empty()) name = head.fields.Get(policy.cluster_header).value_or("");
  upstream::Cluster* cluster = name.empty() ? nullptr : context.options().clusters.Find(name);
  if (cluster == nullptr) return;
  auto* mirror = new Mirror(context, *cluster, limits);
  mirror->head_ = head;
  mirror->head_.expect_continue = false;  // It gets the body when the other one does.
  mirror->head_.fields.Remove(http::Name::kExpect);
  if (!policy.host_rewrite.empty()) {
    mirror->head_.authority = policy.host_rewrite;
  } else if (policy.shadow_suffix) {
    mirror->head_.authority = ShadowHost(head.authority);
  }
  mirror->feeders_ = &feeders;
  feeders.push_back(mirror);
  mirror->Touch();
  net::Start(mirror->Run(), &OnDone, mirror);
}

void Mirror::Touch() {
  if (limits_.idle_ms != 0) idle_timer_.Arm(context_.loop().timers(), limits_.idle_ms);
}

void Mirror::OnTimer(void* self) {
  auto& mirror = *static_cast<Mirror*>(self);
  mirror.try_.attempt->CountTimeout();
  mirror.Cancel();
}

void Mirror::Cancel() {
  cancelled_ = true;
  try_.attempt->Close();
  more_.Wake();
}

void Mirror::Body(std::string_view piece) {
  if (cancelled_) return;
  while (!piece.empty()) {
    const std::span<char> space = filling_->Reserve(limits_.buffer_bytes_max);
    if (space.empty()) {
      try_.attempt->stats().retry_or_shadow_abandoned.Add();
      return Cancel();
    }
    const std::size_t bytes = std::min(space.size(), piece.size());
    std::memcpy(space.data(), piece.data(), bytes);
    filling_->Commit(bytes);
    piece.remove_prefix(bytes);
  }
  more_.Wake();
}

void Mirror::End(const http::Fields& trailers) {
  ended_ = true;
  trailers_ = trailers;
  if (limits_.timeout_ms != 0) timer_.Arm(context_.loop().timers(), limits_.timeout_ms);
  more_.Wake();
}

void Mirror::Detach() {
  feeders_ = nullptr;
  if (!ended_) Cancel();
}

net::Task<void> Mirror::Run() {
  // Feeding goes on under the feet of the one that waits: not within Start().
  more_.Wake();
  co_await more_.Wait();
  if (!cancelled_ && !try_.attempt->TryAcquireIdle()) {
    const upstream::AcquireResult result = co_await try_.attempt->Acquire(false);
    if (result != upstream::AcquireResult::kOk) co_return;
  }
  if (cancelled_) co_return;
  try_.Open();
  try_.stream->QueueHead(head_);
  if (co_await Send()) co_await Receive();
}

// True: all of the request is out.
net::Task<bool> Mirror::Send() {
  UpstreamStream& stream = *try_.stream;
  bool end_queued = false;
  while (!cancelled_) {
    if (stream.QueueEmpty()) {
      sending_->Consume(sending_->data().size());
      sending_->Release();
    }
    if (sending_->empty() && !filling_->empty()) {
      std::swap(sending_, filling_);
      stream.QueueBody(sending_->data());
    }
    if (ended_ && filling_->empty() && !std::exchange(end_queued, true)) {
      stream.QueueEnd(trailers_);
    }
    const net::IoStatus status = stream.Flush();
    if (status == net::IoStatus::kWouldBlock) {
      co_await stream.WaitFlush();
    } else if (status != net::IoStatus::kOk) {
      co_return false;
    } else if (end_queued) {
      co_return true;
    } else if (filling_->empty() && !ended_) {
      co_await more_.Wait();
    }
    Touch();
  }
  co_return false;
}

net::Task<void> Mirror::Receive() {
  UpstreamStream& stream = *try_.stream;
  bool head = false;
  while (!cancelled_) {
    if (!head) {
      const HeadRead read = stream.ReadHead(response_);
      if (read.step == HeadRead::Step::kHead) {
        if (response_.status == 101) co_return;
        if (response_.status < 200) continue;
        head = true;
        try_.attempt->CountResponse(response_.status);
        continue;
      }
      if (read.step != HeadRead::Step::kBlocked) co_return;
    } else {
      const BodyRead read = stream.ReadBody(true);
      if (read.step == BodyStep::kPiece) continue;
      if (read.step == BodyStep::kEnd) {
        stream.Finish(true);
        co_return;
      }
      if (read.step != BodyStep::kBlocked) co_return;
    }
    co_await stream.WaitRead();
    Touch();
  }
}

}  // namespace sluice::proxy
