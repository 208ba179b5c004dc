#pragma once
// HTTP/2 frames as numbers: types, flags, error codes, the nine bytes in front (RFC 9113 section
// 4).
//
// Values and pure functions; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::http {

enum class H2FrameType : std::uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation,
};

enum class H2Error : std::uint32_t {
  kNoError,
  kProtocolError,
  kInternalError,
  kFlowControlError,
  kSettingsTimeout,
  kStreamClosed,
  kFrameSizeError,
  kRefusedStream,
  kCancel,
  kCompressionError,
  kConnectError,
  kEnhanceYourCalm,
  kInadequateSecurity,
  kHttp11Required,
};

enum class H2Setting : std::uint16_t {
  kHeaderTableSize = 1,
  kEnablePush = 2,
  kMaxConcurrentStreams = 3,
  kInitialWindowSize = 4,
  kMaxFrameSize = 5,
  kMaxHeaderListSize = 6,
  kEnableConnectProtocol = 8,
};

inline constexpr std::uint8_t kH2EndStream = 0x1;
inline constexpr std::uint8_t kH2Ack = 0x1;
inline constexpr std::uint8_t kH2EndHeaders = 0x4;
inline constexpr std::uint8_t kH2Padded = 0x8;
inline constexpr std::uint8_t kH2Priority = 0x20;

inline constexpr std::size_t kH2FrameHeaderBytes = 9;
// Neither side of ours asks for more than the default.
inline constexpr std::uint32_t kH2FrameBytesMax = 16384;
inline constexpr std::uint32_t kH2WindowDefault = 65535;
inline constexpr std::int64_t kH2WindowMax = 0x7fffffff;
inline constexpr std::uint32_t kH2StreamIdMax = 0x7fffffff;
inline constexpr std::string_view kH2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct H2FrameHeader {
  std::uint32_t length = 0;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;

  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

inline std::uint32_t ReadH2Uint32(const char* at) {
  const auto byte = [at](int i) { return std::uint32_t{static_cast<unsigned char>(at[i])}; };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}
inline std::uint16_t ReadH2Uint16(const char* at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(at[0]) << 8 |
                                    static_cast<unsigned char>(at[1]));
}
void AppendH2Uint32(std::uint32_t value, std::string& out);
void AppendH2Uint16(std::uint16_t value, std::string& out);

// REQUIRES: nine bytes at `at`.
H2FrameHeader ReadH2FrameHeader(const char* at);
void AppendH2FrameHeader(const H2FrameHeader& header, std::string& out);

}  // namespace sluice::http
