#include "net/client_hello.h"

#include "base/strings.h"

namespace sluice::net {
namespace {

using Step = ClientHello::Step;

constexpr std::size_t kRecordHeadBytes = 5;
constexpr std::size_t kMessageHeadBytes = 4;
constexpr std::size_t kRecordBytesMax = 16 * 1024;
constexpr unsigned kHandshakeRecord = 22;
constexpr unsigned kClientHelloMessage = 1;
constexpr unsigned kServerNameExtension = 0;
constexpr unsigned kAlpnExtension = 16;

// Reads from the front; anything past the end makes it bad for good.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool good() const { return good_; }
  bool empty() const { return bytes_.empty(); }
  std::size_t Number(unsigned width) {
    std::size_t value = 0;
    for (const char c : Take(width)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view Take(std::size_t bytes) {
    if (bytes > bytes_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = bytes_.substr(0, bytes);
    bytes_.remove_prefix(bytes);
    return out;
  }
  // A vector with a length in front.
  std::string_view Vector(unsigned width) {
    const std::size_t bytes = Number(width);
    return Take(bytes);
  }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

bool ReadServerName(std::string_view extension, std::string& name) {
  Reader reader(extension);
  Reader list(reader.Vector(2));
  if (!reader.good() || !reader.empty() || list.empty()) return false;
  while (!list.empty()) {
    const std::size_t type = list.Number(1);
    const std::string_view text = list.Vector(2);
    // One host name; other types do not exist.
    if (!list.good() || type != 0 || text.empty() || text.size() > 255 || !name.empty()) {
      return false;
    }
    for (const char c : text) {
      if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
        return false;
      }
    }
    name = base::Lowercase(text);
  }
  return true;
}

bool ReadAlpn(std::string_view extension, std::vector<std::string>& protocols) {
  Reader reader(extension);
  Reader list(reader.Vector(2));
  if (!reader.good() || !reader.empty() || list.empty()) return false;
  while (!list.empty()) {
    const std::string_view text = list.Vector(1);
    if (!list.good() || text.empty()) return false;
    protocols.emplace_back(text);
  }
  return true;
}

// `message` is the body of a ClientHello.
bool ReadHello(std::string_view message, ClientHello& out) {
  Reader hello(message);
  const std::size_t version = hello.Number(2);
  hello.Take(32);   // random
  hello.Vector(1);  // session id
  const std::string_view ciphers = hello.Vector(2);
  const std::string_view compressions = hello.Vector(1);
  if (!hello.good() || version >> 8 != 3 || ciphers.empty() || ciphers.size() % 2 != 0 ||
      compressions.empty()) {
    return false;
  }
  if (hello.empty()) return true;  // No extensions: as old as TLS 1.0.
  Reader extensions(hello.Vector(2));
  if (!hello.good() || !hello.empty()) return false;
  bool names = false;
  bool protocols = false;
  while (!extensions.empty()) {
    const std::size_t type = extensions.Number(2);
    const std::string_view body = extensions.Vector(2);
    if (!extensions.good()) return false;
    if (type == kServerNameExtension) {
      if (names || !ReadServerName(body, out.server_name)) return false;
      names = true;
    } else if (type == kAlpnExtension) {
      if (protocols || !ReadAlpn(body, out.alpn)) return false;
      protocols = true;
    }
  }
  return true;
}

}  // namespace

ClientHello ParseClientHello(std::string_view input, std::size_t bytes_max) {
  ClientHello out;
  std::string joined;        // Only when there is more than one record.
  std::string_view message;  // The handshake bytes so far.
  std::size_t at = 0;
  for (std::size_t records = 0;; ++records) {
    const std::string_view head = input.substr(at, kRecordHeadBytes);
    const auto byte = [head](std::size_t i) { return static_cast<unsigned char>(head[i]); };
    // Whatever differs is told at once: a plain-text client must not be waited for.
    if (head.size() > 0 && byte(0) != kHandshakeRecord) {
      out.step = records == 0 ? Step::kNotTls : Step::kBroken;
      return out;
    }
    if (head.size() > 1 && byte(1) != 3) {
      out.step = records == 0 ? Step::kNotTls : Step::kBroken;
      return out;
    }
    if (head.size() < kRecordHeadBytes) return out;
    const std::size_t record = static_cast<std::size_t>(byte(3)) << 8 | byte(4);
    if (record == 0 || record > kRecordBytesMax) {
      out.step = Step::kBroken;
      return out;
    }
    const std::string_view body = input.substr(at + kRecordHeadBytes, record);
    if (records == 0) {
      message = body;
    } else {
      if (records == 1) joined = message;
      joined += body;
      message = joined;
    }
    if (!message.empty() && static_cast<unsigned char>(message[0]) != kClientHelloMessage) {
      out.step = Step::kBroken;
      return out;
    }
    if (message.size() >= kMessageHeadBytes) {
      Reader length(message.substr(1));
      const std::size_t bytes = length.Number(3);
      if (bytes + kMessageHeadBytes > bytes_max) {
        out.step = Step::kTooLarge;
        return out;
      }
      if (message.size() >= bytes + kMessageHeadBytes) {
        // Nothing else may follow in its record, arrived or not: keys change after it.
        const bool good = message.size() - body.size() + record == bytes + kMessageHeadBytes &&
                          ReadHello(message.substr(kMessageHeadBytes), out);
        out.step = good ? Step::kHello : Step::kBroken;
        if (good) {
          out.bytes = at + kRecordHeadBytes + record;
        } else {
          out.server_name.clear();
          out.alpn.clear();
        }
        return out;
      }
    }
    // A record for every byte is only work for us.
    if (records == 64) {
      out.step = Step::kBroken;
      return out;
    }
    if (body.size() < record) return out;
    at += kRecordHeadBytes + record;
  }
}

}  // namespace sluice::net
