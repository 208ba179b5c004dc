// Floods and bombs: what no single rule forbids, bounded by the defaults.

#include <gtest/gtest.h>

#include "tests/unit/http/h2_drive.h"

namespace sluice::http {
namespace {

using Type = H2FrameType;

std::string Times(std::size_t count, const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

void ExpectCalm(H2Drive& drive, H2Event event) {
  EXPECT_TRUE(drive.session().ended());
  EXPECT_EQ(drive.session().error(), H2Error::kEnhanceYourCalm);
  EXPECT_TRUE(drive.Saw(event));
}

TEST(H2Guards, PingsThatAreNotReadEndIt) {
  H2Drive drive;
  drive.Feed(Settings());
  drive.Stall();
  drive.Feed(Times(1000, Frame(Type::kPing, 0, 0, "12345678")));
  EXPECT_FALSE(drive.session().ended());
  drive.Feed(Frame(Type::kPing, 0, 0, "12345678"));
  ExpectCalm(drive, H2Event::kOutboundControlFlood);
}

TEST(H2Guards, PingsThatAreReadDoNot) {
  H2Drive drive;
  drive.Feed(Settings());
  for (int i = 0; i < 5000; ++i) drive.Feed(Frame(Type::kPing, 0, 0, "12345678"));
  EXPECT_FALSE(drive.session().ended());
}

TEST(H2Guards, SettingsAndResetsThatAreNotRead) {
  H2Drive settings;
  settings.Stall();
  settings.Feed(Times(1100, Settings(Setting(1, 0) + Setting(1, 4096))));
  ExpectCalm(settings, H2Event::kOutboundControlFlood);

  H2Drive resets;  // Streams that we must reset: each costs an answer.
  resets.Stall();
  std::string input = Settings();
  for (std::uint32_t id = 1; id < 2300; id += 2) {
    input += Headers(id, Get()) + WindowUpdate(id, 0);
  }
  resets.Feed(input);
  ExpectCalm(resets, H2Event::kOutboundControlFlood);
}

TEST(H2Guards, FramesThatAreNotRead) {
  H2Options options;
  options.outbound_frames_max = 50;
  H2Drive drive(H2Session::Role::kServer, options);
  drive.Feed(Settings() + Headers(1, Get()));
  drive.Stall();
  for (int i = 0; i < 60; ++i) drive.session().SendData(drive.stream(0), "x", false);
  ExpectCalm(drive, H2Event::kOutboundFlood);
}

TEST(H2Guards, EmptyFrames) {
  const std::string open = Settings() + Headers(1, Get({}, "POST"), false);
  for (const std::string& empty :
       {Data(1, ""), Frame(Type::kData, kH2Padded, 1, std::string("\x03\0\0\0", 4))}) {
    H2Drive drive;
    drive.Feed(open + empty);
    EXPECT_FALSE(drive.session().ended());
    drive.Feed(empty);
    ExpectCalm(drive, H2Event::kEmptyFramesFlood);
  }
  H2Drive drive;
  drive.Feed(Settings() + Frame(Type::kHeaders, 0, 1, "") + Frame(Type::kContinuation, 0, 1, ""));
  ExpectCalm(drive, H2Event::kEmptyFramesFlood);
  H2Drive mixed;
  mixed.Feed(open + Times(50, Data(1, "") + Data(1, "x")));
  EXPECT_FALSE(mixed.session().ended());
}

TEST(H2Guards, ContinuationsWithoutEnd) {
  H2Drive drive;
  drive.Feed(Settings() + Frame(Type::kHeaders, 0, 1, Literals(Get())) +
             Times(100, Frame(Type::kContinuation, 0, 1, Literals({{"a", "b"}}))));
  ExpectCalm(drive, H2Event::kHeaderOverflow);
  EXPECT_EQ(drive.Text().find("head"), std::string::npos);
}

TEST(H2Guards, PriorityFramesFollowActiveStreams) {
  const std::string priority = Frame(Type::kPriority, 0, 1, Number32(3) + "\x10");
  H2Drive drive;
  drive.Feed(Settings() + Times(100, priority));
  EXPECT_FALSE(drive.session().ended());
  drive.Feed(priority);
  ExpectCalm(drive, H2Event::kPriorityFlood);

  // Streams that came and went leave no budget behind.
  H2Drive churned;
  churned.Feed(Settings());
  for (std::uint32_t id = 1; id < 2000; id += 2) churned.Feed(Headers(id, Get()) + Rst(id));
  churned.Feed(Times(201, priority));
  ExpectCalm(churned, H2Event::kPriorityFlood);
}

TEST(H2Guards, WindowUpdatesNeedData) {
  H2Drive drive;
  drive.Feed(Settings() + Headers(1, Get()) + Times(18, WindowUpdate(1, 1)));
  EXPECT_FALSE(drive.session().ended());
  drive.Feed(WindowUpdate(0, 1));
  ExpectCalm(drive, H2Event::kWindowUpdateFlood);

  H2Drive paid;
  paid.Feed(Settings() + Headers(1, Get()));
  for (int i = 0; i < 10; ++i) paid.session().SendData(paid.stream(0), "x", false);
  paid.Feed(Times(110, WindowUpdate(1, 1)));
  EXPECT_FALSE(paid.session().ended());
}

TEST(H2Guards, HeadsAreMeasuredDecoded) {
  // One entry of 3 kB in the table, then a byte each time.
  std::string block = Literals(Get());
  block += '\x40';
  block +=
      "\x01"
      "a";
  block += "\x7f\xb9\x16";  // 127 + 2873 = 3000
  block += std::string(3000, 'x');
  H2Drive drive;
  drive.Feed(Settings() + Frame(Type::kHeaders, 5, 1, block + std::string(18, '\xbe')));
  EXPECT_NE(drive.Text().find("head 1"), std::string::npos);
  drive.Feed(Frame(Type::kHeaders, 5, 3, Literals(Get()) + std::string(30, '\xbe')));
  EXPECT_TRUE(drive.Saw(H2Event::kHeaderOverflow));
  EXPECT_NE(drive.Text().find("> RST_STREAM 3 flags=0 bytes=4 ENHANCE_YOUR_CALM"),
            std::string::npos);
  EXPECT_FALSE(drive.session().ended());
  // The tables still agree; a bomb ends the connection before it is unpacked.
  drive.Feed(Frame(Type::kHeaders, 5, 5, Literals(Get()) + '\xbe'));
  EXPECT_NE(drive.Text().find("head 5"), std::string::npos);
  drive.Feed(Frame(Type::kHeaders, 5, 7, Literals(Get()) + std::string(16000, '\xbe')));
  ExpectCalm(drive, H2Event::kHeaderOverflow);
}

TEST(H2Guards, CrumbsAreMeasured) {
  FieldList fields = Get();
  for (int i = 0; i < 300; ++i) fields.emplace_back("cookie", "a=1");
  H2Drive few;
  few.Feed(Settings() + Headers(1, fields));
  EXPECT_NE(few.Text().find("head 1"), std::string::npos);  // One field, however crumbled.
  for (int i = 0; i < 1300; ++i) fields.emplace_back("cookie", "");
  H2Drive many;
  const std::string block = Literals(fields);
  many.Feed(Settings() + Frame(Type::kHeaders, 5, 1, block));
  EXPECT_TRUE(many.Saw(H2Event::kHeaderOverflow));
  EXPECT_EQ(many.Text().find("head 1"), std::string::npos);
}

TEST(H2Guards, FieldsAreCounted) {
  FieldList fields = Get();
  for (int i = 0; i < 101; ++i) fields.emplace_back("a", "b");
  H2Drive drive;
  drive.Feed(Settings() + Headers(1, fields));
  EXPECT_TRUE(drive.Saw(H2Event::kHeaderOverflow));
  H2Drive trailers;
  FieldList many(101, {"a", "b"});
  trailers.Feed(Settings() + Headers(1, Get(), false) + Headers(1, many));
  EXPECT_TRUE(trailers.Saw(H2Event::kHeaderOverflow));
}

TEST(H2Guards, MoreStreamsThanOffered) {
  H2Options options;
  options.streams_max = 2;
  H2Drive drive(H2Session::Role::kServer, options);
  drive.Feed(Settings() + Headers(1, Get()) + Headers(3, Get()) + Headers(5, Get(), false) +
             Data(5, "x") + Headers(5, {{"a", "b"}}));
  EXPECT_NE(drive.Text().find("> RST_STREAM 5 flags=0 bytes=4 REFUSED_STREAM"), std::string::npos);
  EXPECT_TRUE(drive.Saw(H2Event::kStreamRefused));
  EXPECT_FALSE(drive.session().ended());
  drive.Feed(Rst(1) + Headers(7, Get()));
  EXPECT_NE(drive.Text().find("head 7"), std::string::npos);
}

TEST(H2Guards, MoreDataThanTheWindow) {
  H2Options options;
  options.stream_window_bytes = 65535;
  H2Drive drive(H2Session::Role::kServer, options);
  drive.consume = false;
  const std::string open = Headers(1, Get({}, "POST"), false) + Headers(3, Get({}, "POST"), false);
  drive.Feed(Settings() + open);
  for (int i = 0; i < 4; ++i) drive.Feed(Data(1, std::string(16000, 'x')));
  EXPECT_EQ(drive.Text().find("RST_STREAM"), std::string::npos);
  drive.Feed(Data(1, std::string(2000, 'x')) + Data(3, "fine", true));
  EXPECT_NE(drive.Text().find("> RST_STREAM 1 flags=0 bytes=4 FLOW_CONTROL_ERROR"),
            std::string::npos);
  EXPECT_NE(drive.Text().find("data 3 fine"), std::string::npos);

  H2Options narrow = options;
  narrow.connection_window_bytes = 65535;
  H2Drive all(H2Session::Role::kServer, narrow);
  all.consume = false;
  all.Feed(Settings() + open);
  for (int i = 0; i < 4; ++i) all.Feed(Data(1, std::string(16000, 'x')));
  all.Feed(Data(3, std::string(2000, 'x')));
  EXPECT_EQ(all.session().error(), H2Error::kFlowControlError);
}

}  // namespace
}  // namespace sluice::http
