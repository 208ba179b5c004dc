#pragma once
// Header compression (RFC 7541): nghttp2's tables and Huffman codes behind two small classes.
//
// One thread; one of each per connection. Made at first use: an idle connection has neither.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct nghttp2_hd_deflater;
struct nghttp2_hd_inflater;

namespace sluice::http {

class HpackDecoder {
 public:
  explicit HpackDecoder(std::uint32_t table_bytes) : table_bytes_(table_bytes) {}
  ~HpackDecoder();
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;

  enum class Step : std::uint8_t {
    kField,  // name() and value(), valid until the next call.
    kMore,   // `input` is used up.
    kEnd,    // The block is complete.
    kBroken,
  };
  // Takes from the front of `input`; `last`: the block ends with it.
  Step Next(std::string_view& input, bool last);
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::uint32_t table_bytes_;
  std::string_view name_;
  std::string_view value_;
};

class HpackEncoder {
 public:
  HpackEncoder() = default;
  ~HpackEncoder();
  HpackEncoder(const HpackEncoder&) = delete;
  HpackEncoder& operator=(const HpackEncoder&) = delete;

  // The peer's SETTINGS_HEADER_TABLE_SIZE; we use at most 4096.
  void SetTableBytes(std::uint32_t bytes);
  // Gathers a block; texts must live until Finish. `unique`: not worth a place in the table.
  void Add(std::string_view name, std::string_view value, bool unique = false);
  // Appends the block. False: out of memory, nothing can be encoded any more.
  bool Finish(std::string& out);

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
  std::uint32_t table_bytes_ = 4096;
};

}  // namespace sluice::http
