#pragma once
// Header and trailer fields of one message: a flat, ordered list over one byte buffer.
//
// One thread. Reused from message to message: Clear() keeps capacity, so a warm connection
// allocates nothing per field. Names are lower case. Views handed out stay valid until the next
// change of this object. RFC 9110 section 5.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {

// Names that the proxy itself looks at; FindName() maps text to one of them once, at Add().
// The lower-case texts stand beside them in fields.cc, in this order.
enum class Name : std::uint8_t {
  kOther,
  kAccept,
  kAcceptEncoding,
  kAccessControlAllowCredentials,
  kAccessControlAllowHeaders,
  kAccessControlAllowMethods,
  kAccessControlAllowOrigin,
  kAccessControlExposeHeaders,
  kAccessControlMaxAge,
  kAccessControlRequestHeaders,
  kAccessControlRequestMethod,
  kAccessControlRequestPrivateNetwork,
  kAccessControlAllowPrivateNetwork,
  kAllow,
  kAuthorization,
  kCacheControl,
  kConnection,
  kContentLength,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kGrpcMessage,
  kGrpcStatus,
  kGrpcTimeout,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kLocation,
  kOrigin,
  kProxyConnection,
  kReferer,
  kServer,
  kSetCookie,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVary,
  kVia,
  kXEnvoyAttemptCount,
  kXEnvoyExpectedRqTimeoutMs,
  kXEnvoyExternalAddress,
  kXEnvoyInternal,
  kXEnvoyOriginalPath,
  kXEnvoyUpstreamServiceTime,
  kXForwardedClientCert,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedPort,
  kXForwardedProto,
  kXRequestId,
  kCount,
};

// kOther when `name` (any case) is none of the above.
Name FindName(std::string_view name);
std::string_view NameText(Name name);  // Lower case; "" for kOther.

struct Field {
  Name id;
  std::string_view name;  // Lower case.
  std::string_view value;
};

class Fields {
 public:
  // Appends; `name` is lower-cased on the way. Views into this object may be passed.
  void Add(std::string_view name, std::string_view value);
  void Add(Name name, std::string_view value);
  // For one who has looked the name up already. REQUIRES: id == FindName(name).
  void Add(Name id, std::string_view name, std::string_view value);
  // Replaces every field of that name by one.
  void Set(std::string_view name, std::string_view value);
  void Set(Name name, std::string_view value);
  // Removes every field of that name; how many there were.
  std::size_t Remove(std::string_view name);
  std::size_t Remove(Name name);
  void RemoveAt(std::size_t index);
  void Clear();

  bool Has(Name name) const { return (present_ >> static_cast<unsigned>(name) & 1U) != 0; }
  // The first value.
  std::optional<std::string_view> Get(Name name) const;
  std::optional<std::string_view> Get(std::string_view name) const;
  std::size_t CountOf(Name name) const;
  // All values of `name` joined with ','; the matchers' view. Uses `scratch` only for two or more.
  std::optional<std::string_view> GetJoined(std::string_view name, std::string& scratch) const;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Field At(std::size_t index) const;
  // Bytes of all names and values now held, without separators.
  std::size_t bytes() const { return live_bytes_; }

  bool operator==(const Fields& other) const;

  class Iterator {
   public:
    Iterator(const Fields* fields, std::size_t index) : fields_(fields), index_(index) {}
    Field operator*() const { return fields_->At(index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Fields* fields_;
    std::size_t index_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, entries_.size()}; }

 private:
  struct Entry {
    std::uint32_t name_at;
    std::uint32_t value_at;
    std::uint32_t value_size;
    std::uint32_t name_size;
    Name id;
  };
  template <typename Matches>
  std::size_t RemoveIf(Matches matches);
  // Replaces the first field for which `matches` says so and removes the others of them.
  template <typename Matches>
  bool ReplaceFirst(Matches matches, std::string_view value);
  bool Owns(std::string_view text) const;

  static_assert(static_cast<unsigned>(Name::kCount) <= 64, "present_ is one word");

  std::string bytes_;  // Names and values, back to back; removed ones stay until Clear().
  std::vector<Entry> entries_;
  std::uint64_t present_ = 0;  // Bit i: a field with Name i is here.
  std::size_t live_bytes_ = 0;
};

}  // namespace sluice::http
