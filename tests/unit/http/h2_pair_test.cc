// Two of our sessions talking to each other: flow control both ways, large heads, going away.

#include <gtest/gtest.h>

#include "tests/unit/http/h2_drive.h"

namespace sluice::http {
namespace {

struct Pair {
  explicit Pair(const H2Options& options = {})
      : client(H2Session::Role::kClient, options), server(H2Session::Role::kServer, options) {
    client.Stall();
    server.Stall();
    // Both drives have taken what was queued at the start.
    server.Feed(std::string(client.sent()).substr(kH2Preface.size()));
    client.Feed(server.sent());
    Shuttle();
  }

  void Move(H2Drive& from, H2Drive& to, std::size_t bytes_max) {
    const std::string bytes(from.session().pending().substr(0, bytes_max));
    from.session().Sent(bytes.size());
    to.Feed(bytes);
  }
  // In lumps that cut frames anywhere.
  void Shuttle() {
    while (!client.session().pending().empty() || !server.session().pending().empty()) {
      Move(client, server, 1000);
      Move(server, client, 777);
    }
  }
  DrivenStream& Ask(const RequestHead& head, bool end) {
    DrivenStream& stream = client.NewStream();
    client.session().SendRequest(stream, head, end);
    Shuttle();
    return stream;
  }

  H2Drive client;
  H2Drive server;
};

RequestHead MakeRequest(std::string_view method) {
  RequestHead head;
  head.method = FindMethod(method);
  head.method_text = method;
  head.path = "/x?y";
  head.authority = "a.ex";
  head.fields.Add("x-one", "1");
  return head;
}

TEST(H2Pair, ARequestAndItsResponse) {
  Pair pair;
  DrivenStream& asked = pair.Ask(MakeRequest("GET"), true);
  EXPECT_NE(pair.server.Text().find("head 1 GET /x?y HTTP/2 host=a.ex [x-one: 1] end"),
            std::string::npos)
      << pair.server.Text();
  DrivenStream& served = pair.server.stream(0);
  ResponseHead response;
  response.status = 103;
  pair.server.session().SendResponse(served, response, false);
  response.status = 200;
  response.body = {BodyFraming::Kind::kLength, 5};
  pair.server.session().SendResponse(served, response, false);
  EXPECT_EQ(pair.server.session().SendData(served, "hello", true), 5U);
  pair.Shuttle();
  EXPECT_NE(pair.client.Text().find("head 1 HTTP/2 103\nhead 1 HTTP/2 200 len=5\n"
                                    "data 1 hello (5) end\n"),
            std::string::npos)
      << pair.client.Text();
  EXPECT_FALSE(asked.linked);
  EXPECT_FALSE(served.linked);
  EXPECT_EQ(pair.client.session().streams(), 0U);
  EXPECT_EQ(pair.server.session().streams(), 0U);
}

TEST(H2Pair, ALargeHeadTravelsInContinuations) {
  Pair pair;
  RequestHead head = MakeRequest("GET");
  // Nothing that Huffman codes shorten.
  for (int i = 0; i < 5; ++i) {
    head.fields.Add(base::Cat("x-", i), std::string(10'000, static_cast<char>('\x80' + i)));
  }
  pair.Ask(head, true);
  ASSERT_EQ(pair.server.opened(), 1U);
  EXPECT_EQ(pair.server.stream(0).request_head.fields, head.fields);
}

TEST(H2Pair, BodiesWaitForWindowsBothWays) {
  Pair pair;
  pair.server.consume = pair.client.consume = false;
  DrivenStream& asked = pair.Ask(MakeRequest("POST"), false);
  const std::string body(200'000, 'b');
  std::string_view rest = body;
  rest.remove_prefix(pair.client.session().SendData(asked, rest, true));
  pair.Shuttle();
  EXPECT_EQ(pair.server.stream(0).body.size(), 64U * 1024);  // The window and no more.
  EXPECT_EQ(asked.can_send, 0);
  for (int i = 0; i < 100 && !rest.empty(); ++i) {
    DrivenStream& served = pair.server.stream(0);
    pair.server.session().Consume(served, served.received);
    pair.Shuttle();
    rest.remove_prefix(pair.client.session().SendData(asked, rest, true));
    pair.Shuttle();
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_GT(asked.can_send, 0);
  EXPECT_EQ(pair.server.stream(0).body, body);
  EXPECT_TRUE(pair.server.stream(0).peer_ended);
}

TEST(H2Pair, TheConnectionsWindowIsSharedAndReturned) {
  H2Options options;
  options.connection_window_bytes = 100'000;
  options.stream_window_bytes = 65'535;
  Pair pair(options);
  pair.server.consume = false;
  DrivenStream& one = pair.Ask(MakeRequest("POST"), false);
  DrivenStream& two = pair.Ask(MakeRequest("POST"), false);
  const std::string body(65'535, 'x');
  EXPECT_EQ(pair.client.session().SendData(one, body, true), 65'535U);
  pair.Shuttle();
  EXPECT_EQ(pair.client.session().SendData(two, body, true), 34'465U);
  pair.Shuttle();
  // A reset gives back what nobody will read.
  pair.server.session().Reset(pair.server.stream(0), H2Error::kCancel);
  pair.Shuttle();
  EXPECT_EQ(two.can_send, 1);
  EXPECT_EQ(pair.client.session().SendData(two, std::string_view(body).substr(34'465), true),
            31'070U);
  pair.Shuttle();
  EXPECT_EQ(pair.server.stream(1).body.size(), 65'535U);
}

TEST(H2Pair, TheQueueIsBounded) {
  Pair pair;
  pair.Ask(MakeRequest("GET"), true);
  pair.Ask(MakeRequest("GET"), true);
  DrivenStream& one = pair.server.stream(0);
  DrivenStream& two = pair.server.stream(1);
  const ResponseHead response = [] {
    ResponseHead head;
    head.status = 200;
    head.body = {BodyFraming::Kind::kChunked, 0};
    return head;
  }();
  pair.server.session().SendResponse(one, response, false);
  pair.server.session().SendResponse(two, response, false);
  const std::string body(60'000, 'x');
  EXPECT_EQ(pair.server.session().SendData(one, body, false), 60'000U);
  EXPECT_LT(pair.server.session().SendData(two, body, false), 20'000U);
  EXPECT_TRUE(pair.server.session().full());
  EXPECT_EQ(pair.server.session().SendData(one, "", true), 0U);
  pair.server.session().Sent(pair.server.session().pending().size());
  EXPECT_EQ(one.can_send, 1);
  EXPECT_EQ(two.can_send, 1);
}

TEST(H2Pair, TrailersAndHead) {
  Pair pair;
  DrivenStream& asked = pair.Ask(MakeRequest("HEAD"), true);
  ResponseHead response;
  response.status = 200;
  response.has_content_length = true;
  response.content_length = 1234;
  pair.server.session().SendResponse(pair.server.stream(0), response, true);
  pair.Shuttle();
  EXPECT_EQ(asked.response_head.content_length, 1234U);
  EXPECT_EQ(asked.response_head.body.kind, BodyFraming::Kind::kNone);

  DrivenStream& second = pair.Ask(MakeRequest("POST"), false);
  Fields trailers;
  trailers.Add("grpc-status", "0");
  pair.client.session().SendTrailers(second, trailers);
  pair.Shuttle();
  EXPECT_EQ(pair.server.stream(1).trailer_fields, trailers);
}

TEST(H2Pair, GoawayInTwoSteps) {
  Pair pair;
  pair.Ask(MakeRequest("GET"), true);
  pair.server.session().SendGoaway(false);
  pair.Shuttle();
  EXPECT_NE(pair.client.Text().find("goaway 2147483647 NO_ERROR"), std::string::npos);
  EXPECT_FALSE(pair.client.session().CanOpen());
  pair.server.session().SendGoaway(true);
  pair.Shuttle();
  EXPECT_NE(pair.client.Text().find("goaway 1 NO_ERROR"), std::string::npos);
  // What was sent meanwhile is not looked at, and does no harm.
  pair.server.Feed(Headers(3, Get()) + Headers(5, Get(), false) + Data(5, "x", true));
  EXPECT_EQ(pair.server.opened(), 1U);
  EXPECT_FALSE(pair.server.session().ended());
}

TEST(H2Pair, ResponsesOfBadServers) {
  const auto respond = [](const std::string& frames, std::string_view want) {
    for (const bool bytewise : {false, true}) {
      H2Drive client(H2Session::Role::kClient);
      client.Feed(Settings());
      DrivenStream& stream = client.NewStream();
      client.session().SendRequest(stream, MakeRequest("GET"), true);
      for (std::size_t i = 0; bytewise && i < frames.size(); ++i) {
        client.Feed(std::string_view(frames).substr(i, 1));
      }
      if (!bytewise) client.Feed(frames);
      EXPECT_NE(client.Text().find(want), std::string::npos) << want << "\n" << client.Text();
    }
  };
  constexpr std::string_view kBad = "ended PROTOCOL_ERROR";
  respond(Headers(1, {{":status", "200"}}), "head 1 HTTP/2 200 cl=0 end");
  respond(Headers(1, {{":status", "20"}}), kBad);
  respond(Headers(1, {{":status", "600"}}), kBad);
  respond(Headers(1, {{":status", "101"}}, false), kBad);
  respond(Headers(1, {{"a", "b"}}), kBad);
  respond(Headers(1, {{":status", "200"}, {":path", "/"}}), kBad);
  respond(Headers(1, {{":status", "100"}}), kBad);
  respond(Headers(1, {{":status", "200"}, {"connection", "close"}}), kBad);
  respond(Headers(1, {{":status", "200"}, {"content-length", "3"}}), kBad);
  respond(Headers(1, {{":status", "200"}, {"content-length", "3"}}, false) + Data(1, "ab", true),
          kBad);
  respond(Headers(1, {{":status", "204"}}, false) + Data(1, "ab", true), kBad);
  respond(Data(1, "early", true), kBad);
  respond(Headers(2, {{":status", "200"}}), kBad);
  respond(Headers(3, {{":status", "200"}}), kBad);
  respond(Frame(H2FrameType::kPushPromise, 4, 1, Number32(2)), kBad);
  respond(Settings(Setting(2, 1)), kBad);
}

TEST(H2Pair, PeersLimitOfStreams) {
  H2Drive client(H2Session::Role::kClient);
  EXPECT_EQ(client.session().peer_streams_max(), 100U);
  client.Feed(Settings(Setting(3, 7)));
  EXPECT_EQ(client.session().peer_streams_max(), 7U);
  H2Drive free(H2Session::Role::kClient);
  free.Feed(Settings());
  EXPECT_GT(free.session().peer_streams_max(), 1'000'000U);
}

}  // namespace
}  // namespace sluice::http
