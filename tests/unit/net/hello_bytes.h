#pragma once
// ClientHellos, good and bad, as bytes.

#include <string>
#include <vector>

namespace sluice::net {

struct HelloOptions {
  std::string name = "";
  std::vector<std::string> protocols = {};
  bool extensions = true;
  bool name_twice = false;
  std::size_t padding = 0;
  std::size_t record_bytes = 16384;  // The message is cut into records this long.
};

inline std::string Counted(unsigned width, const std::string& bytes) {
  std::string out;
  for (unsigned i = width; i-- > 0;) out += static_cast<char>(bytes.size() >> (8 * i) & 0xff);
  return out + bytes;
}

inline std::string HelloBytes(const HelloOptions& options) {
  std::string extensions;
  const auto add = [&extensions](char type, const std::string& body) {
    extensions += '\0';
    extensions += type;
    extensions += Counted(2, body);
  };
  if (options.padding > 0) add(21, std::string(options.padding, '\0'));
  if (!options.name.empty()) {
    const std::string list = Counted(2, std::string(1, '\0') + Counted(2, options.name));
    add(0, list);
    if (options.name_twice) add(0, list);
  }
  if (!options.protocols.empty()) {
    std::string list;
    for (const std::string& protocol : options.protocols) list += Counted(1, protocol);
    add(16, Counted(2, list));
  }
  std::string body = "\x03\x03" + std::string(32, 'r') + Counted(1, "") +
                     Counted(2, std::string("\x13\x01", 2)) + Counted(1, std::string(1, '\0'));
  if (options.extensions) body += Counted(2, extensions);
  const std::string message = "\x01" + Counted(3, body);
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += options.record_bytes) {
    out += "\x16\x03\x01" + Counted(2, message.substr(at, options.record_bytes));
  }
  return out;
}

}  // namespace sluice::net
