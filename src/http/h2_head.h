#pragma once
// Heads and trailers of HTTP/2: from decoded fields to values with every rule of RFC 9113 section 8
// checked, and from values to fields.
//
// One thread. Pure: knows neither frames nor streams.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/head.h"

namespace sluice::http {

class HpackEncoder;

struct H2HeadLimits {
  std::size_t bytes_max = 60 * 1024;  // Names, values and 32 bytes per field, as decoded.
  std::size_t fields_max = 100;       // Crumbs of `cookie` are one field.
};

// Reads one block of fields. Begin, Add for each field as decoded, Finish.
class H2HeadReader {
 public:
  enum class Kind : std::uint8_t { kRequest, kResponse, kTrailers, kIgnored };

  // The target is cleared. `allow_connect`: extended CONNECT (RFC 8441) was offered.
  void BeginRequest(RequestHead& head, const H2HeadLimits& limits, bool allow_connect);
  // `request_method` is what was asked; `tunnel`: an extended CONNECT, whose 200 is our 101.
  void BeginResponse(ResponseHead& head, const H2HeadLimits& limits, Method request_method,
                     bool tunnel);
  void BeginTrailers(Fields& trailers, const H2HeadLimits& limits);
  // Fields of a block that nobody wants are counted only.
  void BeginIgnored(const H2HeadLimits& limits);

  void Add(std::string_view name, std::string_view value);
  void Finish(bool end_stream);

  // Static text of the rule that was broken; "" while all is well.
  std::string_view broken() const { return broken_; }
  // More or larger fields than allowed: what came later was not kept.
  bool too_large() const { return bytes_ > limits_.bytes_max || fields_ > limits_.fields_max; }
  // Beyond any good faith: the connection shall end.
  bool bomb() const { return bytes_ > 16 * limits_.bytes_max; }
  // How many body bytes the head announces.
  std::optional<std::uint64_t> content_length() const;
  // A request that is an extended CONNECT; `request` says GET with an upgrade then.
  bool extended_connect() const { return kind_ == Kind::kRequest && (seen_ & kProtocol) != 0; }

 private:
  enum Seen : unsigned {
    kMethod = 1,
    kScheme = 2,
    kAuthority = 4,
    kPath = 8,
    kProtocol = 16,
    kStatus = 32,
    kLength = 64,
    kHostField = 128,
    kExpect = 256,
    kTe = 512,
  };
  void Begin(Kind kind, const H2HeadLimits& limits);
  void Break(std::string_view rule) {
    if (broken_.empty()) broken_ = rule;
  }
  bool Once(Seen what, std::string_view rule);
  void AddPseudo(std::string_view name, std::string_view value);
  void AddRequestPseudo(std::string_view name, std::string_view value);
  void AddStatus(std::string_view value);
  void AddField(Name id, std::string_view name, std::string_view value);
  void AddRequestField(Name id, std::string_view name, std::string_view value);
  void AddLength(std::string_view value);
  void FinishRequest(bool end_stream);
  void FinishConnect();
  void FinishPath();
  void FinishResponse(bool end_stream);

  Kind kind_ = Kind::kIgnored;
  RequestHead* request_ = nullptr;
  ResponseHead* response_ = nullptr;
  Fields* fields_out_ = nullptr;
  H2HeadLimits limits_;
  std::string_view broken_;
  std::string cookie_;    // Crumbs, joined.
  std::string host_;      // The Host field, until it is compared with :authority.
  std::string protocol_;  // Of an extended CONNECT.
  std::size_t bytes_ = 0;
  std::size_t fields_ = 0;
  std::uint64_t length_ = 0;
  unsigned seen_ = 0;
  Method request_method_ = Method::kGet;
  bool allow_connect_ = false;
  bool tunnel_ = false;
  bool regular_ = false;  // A regular field came: no pseudo-header may follow.
};

// Gather a block for `encoder`; texts must live until its Finish. `scratch` holds numbers.
struct H2Scratch {
  char length[20];
  char status[4];
};
// REQUIRES: no hop-by-hop field but the Upgrade of an `upgrade` request and "te: trailers".
void EncodeH2Request(const RequestHead& head, HpackEncoder& encoder, H2Scratch& scratch);
// `tunnel`: the answer to an extended CONNECT; a 101 leaves as 200.
void EncodeH2Response(const ResponseHead& head, bool tunnel, HpackEncoder& encoder,
                      H2Scratch& scratch);
void EncodeH2Trailers(const Fields& trailers, HpackEncoder& encoder);

}  // namespace sluice::http
