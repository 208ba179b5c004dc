#include "proxy/upstream_h1.h"

#include <utility>

namespace sluice::proxy {
namespace {

// Beyond what the parser accepts, so that it is the parser that refuses.
constexpr std::size_t kHeadSlackBytes = 1024;

}  // namespace

void H1Upstream::Open(upstream::Attempt& attempt) {
  attempt_ = &attempt;
  upstream::Connection& connection = attempt.connection();
  observe::ClusterStats& stats = attempt.stats();
  writer_.Reset(&connection.stream(), &stats.upstream_cx_tx_bytes_total);
  source_ = {&connection.stream(), &connection.input(), &connection.parser(),
             &stats.upstream_cx_rx_bytes_total, false};
  head_bytes_max_ = attempt.config().response_head_bytes_max + kHeadSlackBytes;
  chunked_ = keep_alive_ = response_begun_ = write_failed_ = shut_down_at_end_ = false;
}

void H1Upstream::Reset() {
  writer_.Reset(nullptr, nullptr);
  source_ = {};
  attempt_ = nullptr;
}

UpstreamFacts H1Upstream::facts() const {
  const upstream::Connection& connection = attempt_->connection();
  return {connection.host(), source_.stream->local(), http::Version::kHttp11, connection.reused()};
}

void H1Upstream::QueueHead(const http::RequestHead& head) {
  method_ = head.method;
  chunked_ = head.body.kind == http::BodyFraming::Kind::kChunked;
  http::EncodeRequestHead(head, head.upgrade ? "upgrade" : "", writer_.text());
  writer_.TextAdded();
}

void H1Upstream::QueueEnd(const http::Fields& trailers) {
  if (chunked_) writer_.AddLastChunk(trailers);
  if (source_.tunnel) shut_down_at_end_ = true;
}

net::IoStatus H1Upstream::Flush() {
  const net::IoStatus status = writer_.Flush();
  if (status == net::IoStatus::kOk) {
    if (shut_down_at_end_) {
      shut_down_at_end_ = false;
      source_.stream->ShutdownWrite();
    }
  } else if (status != net::IoStatus::kWouldBlock) {
    write_failed_ = true;
  }
  return status;
}

HeadRead H1Upstream::ReadHead(http::ResponseHead& head) {
  net::Buffer& input = *source_.input;
  while (true) {
    if (!input.empty()) {
      response_begun_ = true;
      const http::H1Parser::Result result =
          source_.parser->ParseResponseHead(input.data(), method_, head);
      if (result.consumed > 0) input.Consume(result.consumed);
      if (result.step == http::H1Step::kHead) {
        keep_alive_ = head.keep_alive;
        return {HeadRead::Step::kHead, result.consumed};
      }
      if (result.step == http::H1Step::kBroken) return {HeadRead::Step::kBroken};
    }
    switch (Fill(*source_.stream, input, head_bytes_max_, *source_.received)) {
      case FillStep::kFilled:
        break;
      case FillStep::kBlocked:
        return {HeadRead::Step::kBlocked};
      case FillStep::kEof:
      case FillStep::kError:
        return {HeadRead::Step::kGone};
      case FillStep::kFull:
        return {HeadRead::Step::kFull};
    }
  }
}

void H1Upstream::BecomeTunnel() {
  source_.tunnel = true;
  chunked_ = keep_alive_ = false;
}

void H1Upstream::Finish(bool clean) {
  attempt_->Finish(clean && keep_alive_ && !write_failed_ && source_.input->empty());
  Reset();
}

}  // namespace sluice::proxy
