// An HTTP/2 session fed with anything, in either role: however the bytes arrive, one reading; and a
// request that was accepted reads the same when it is encoded again and read by a second session.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/h2_session.h"
#include "http/hop_by_hop.h"
#include "tests/unit/http/h2_drive.h"

namespace sluice::http {
namespace {

H2Options OptionsOf(std::uint8_t choices) {
  H2Options options;
  options.allow_connect = (choices & 1) != 0;
  options.stream_error_on_invalid_message = (choices & 2) != 0;
  if ((choices & 4) != 0) options.streams_max = 2;
  if ((choices & 8) != 0) options.hpack_table_bytes = 0;
  return options;
}

H2HeadLimits LimitsOf(std::uint8_t choices) {
  H2HeadLimits limits;
  if ((choices & 16) != 0) limits.bytes_max = 200;
  if ((choices & 32) != 0) limits.fields_max = 3;
  return limits;
}

struct Outcome {
  std::string text;
  bool ended;
};

Outcome Run(std::string_view input, std::uint8_t choices, std::size_t split, bool bytewise) {
  const auto role = (choices & 64) != 0 ? H2Session::Role::kClient : H2Session::Role::kServer;
  H2Drive drive(role, OptionsOf(choices), LimitsOf(choices));
  if (role == H2Session::Role::kClient) {
    RequestHead head;
    head.path = "/";
    head.authority = "a.ex";
    drive.session().SendRequest(drive.NewStream(), head, true);
    head.method = Method::kHead;
    head.method_text = "HEAD";
    drive.session().SendRequest(drive.NewStream(), head, true);
  }
  drive.Feed(Settings());
  if (bytewise) {
    for (const char c : input) drive.Feed({&c, 1});
  } else {
    drive.Feed(input.substr(0, split));
    drive.Feed(input.substr(split));
  }
  return {drive.Text(), drive.session().ended()};
}

// What one session accepted, another reads the same.
void CheckRoundTrip(std::string_view input, std::uint8_t choices) {
  H2Drive first(H2Session::Role::kServer, OptionsOf(choices), LimitsOf(choices));
  first.Feed(Settings());
  first.Feed(input);
  for (std::size_t i = 0; i < first.opened(); ++i) {
    DrivenStream& stream = first.stream(i);
    if (!stream.head_received || stream.request_head.method == Method::kConnect) continue;
    RequestHead& head = stream.request_head;
    const bool upgrade = head.upgrade;
    RemoveHopByHop(head.fields, upgrade);
    H2Options options;
    options.allow_connect = true;
    H2Drive client(H2Session::Role::kClient, options);
    client.Feed(Settings());
    client.Stall();
    client.session().SendRequest(client.NewStream(), head, false);
    H2Drive second(H2Session::Role::kServer, options, {1 << 20, 1000});
    second.ExpectPreface();
    std::string bytes(kH2Preface);
    bytes += Settings();
    bytes += client.session().pending();
    second.Feed(bytes);
    SLUICE_CHECK(second.opened() == 1 && !second.session().ended());
    RequestHead& read = second.stream(0).request_head;
    SLUICE_CHECK(read.method_text == head.method_text && read.path == head.path);
    SLUICE_CHECK(read.authority == head.authority || head.authority.empty());
    SLUICE_CHECK(read.upgrade == upgrade && read.fields.size() == head.fields.size());
  }
}

// A byte of choices and one of where to cut, then frames behind the first SETTINGS.
void RunOne(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 64 * 1024) return;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = Run(input, data[0], 0, false);
  SLUICE_CHECK(Run(input, data[0], data[1] % (input.size() + 1), false).text == whole.text);
  if (input.size() <= 512) {
    SLUICE_CHECK(Run(input, data[0], 0, true).text == whole.text);
  }
  if ((data[0] & 64) == 0) CheckRoundTrip(input, data[0]);
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::http::RunOne(data, size);
  return 0;
}
