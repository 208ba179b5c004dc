#include "http/h2_frame.h"

namespace sluice::http {

void AppendH2Uint32(std::uint32_t value, std::string& out) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof(bytes));
}

void AppendH2Uint16(std::uint16_t value, std::string& out) {
  const char bytes[] = {static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof(bytes));
}

H2FrameHeader ReadH2FrameHeader(const char* at) {
  H2FrameHeader header;
  header.length = ReadH2Uint32(at) >> 8;
  header.type = static_cast<std::uint8_t>(at[3]);
  header.flags = static_cast<std::uint8_t>(at[4]);
  header.stream = ReadH2Uint32(at + 5) & kH2StreamIdMax;  // The reserved bit means nothing.
  return header;
}

void AppendH2FrameHeader(const H2FrameHeader& header, std::string& out) {
  const char bytes[] = {
      static_cast<char>(header.length >> 16), static_cast<char>(header.length >> 8),
      static_cast<char>(header.length),       static_cast<char>(header.type),
      static_cast<char>(header.flags),        static_cast<char>(header.stream >> 24),
      static_cast<char>(header.stream >> 16), static_cast<char>(header.stream >> 8),
      static_cast<char>(header.stream)};
  out.append(bytes, sizeof(bytes));
}

}  // namespace sluice::http
