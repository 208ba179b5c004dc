#include "http/h2_hpack.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "base/check.h"

namespace sluice::http {
namespace {

constexpr std::uint32_t kEncoderTableBytesMax = 4096;

// A block is gathered and finished in one go, so one scratch list per thread does for all.
std::vector<nghttp2_nv>& Gathered() {
  thread_local std::vector<nghttp2_nv> fields;
  return fields;
}

// nghttp2 takes mutable pointers and does not write through them.
std::uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

std::string_view View(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

HpackDecoder::~HpackDecoder() {
  if (inflater_ != nullptr) nghttp2_hd_inflate_del(inflater_);
}

HpackDecoder::Step HpackDecoder::Next(std::string_view& input, bool last) {
  if (inflater_ == nullptr) {
    SLUICE_CHECK(nghttp2_hd_inflate_new(&inflater_) == 0);
    if (table_bytes_ != 4096) nghttp2_hd_inflate_change_table_size(inflater_, table_bytes_);
  }
  nghttp2_nv field;
  int flags = 0;
  const ssize_t used =
      nghttp2_hd_inflate_hd2(inflater_, &field, &flags, Bytes(input), input.size(), last ? 1 : 0);
  if (used < 0) return Step::kBroken;
  input.remove_prefix(static_cast<std::size_t>(used));
  if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
    name_ = View(field.name, field.namelen);
    value_ = View(field.value, field.valuelen);
    return Step::kField;
  }
  if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
    nghttp2_hd_inflate_end_headers(inflater_);
    return Step::kEnd;
  }
  return last ? Step::kBroken : Step::kMore;
}

HpackEncoder::~HpackEncoder() {
  if (deflater_ != nullptr) nghttp2_hd_deflate_del(deflater_);
}

void HpackEncoder::SetTableBytes(std::uint32_t bytes) {
  table_bytes_ = std::min(bytes, kEncoderTableBytesMax);
  if (deflater_ != nullptr) nghttp2_hd_deflate_change_table_size(deflater_, table_bytes_);
}

void HpackEncoder::Add(std::string_view name, std::string_view value, bool unique) {
  Gathered().push_back(
      {Bytes(name), Bytes(value), name.size(), value.size(),
       static_cast<std::uint8_t>(unique ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
}

bool HpackEncoder::Finish(std::string& out) {
  if (deflater_ == nullptr) {
    SLUICE_CHECK(nghttp2_hd_deflate_new(&deflater_, kEncoderTableBytesMax) == 0);
    if (table_bytes_ != kEncoderTableBytesMax) {
      nghttp2_hd_deflate_change_table_size(deflater_, table_bytes_);
    }
  }
  std::vector<nghttp2_nv>& fields = Gathered();
  const std::size_t at = out.size();
  const std::size_t bound = nghttp2_hd_deflate_bound(deflater_, fields.data(), fields.size());
  out.resize(at + bound);
  const ssize_t size =
      nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(out.data() + at), bound,
                            fields.data(), fields.size());
  fields.clear();
  out.resize(at + (size < 0 ? 0 : static_cast<std::size_t>(size)));
  return size >= 0;
}

}  // namespace sluice::http
