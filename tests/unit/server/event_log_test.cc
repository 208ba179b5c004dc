#include "server/event_log.h"

#include <gmock/gmock.h>

#include "base/strings.h"

namespace sluice::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class StandingClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return {}; }
  base::WallTime WallNow() const override { return base::WallTime(base::seconds(1'700'000'000)); }
};

TEST(EventLog, TellsWhatHappenedInOrder) {
  StandingClock clock;
  EventLog log(clock);
  log.Add(EventLog::Kind::kAccepted, "CDS app", "", "v1");
  log.Add(EventLog::Kind::kRejected, "LDS \"in\"", "address: bad\n");
  EXPECT_EQ(log.Json("", 0),
            "{\"events\":[\n"
            "{\"number\":1,\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"accepted\","
            "\"subject\":\"CDS app\",\"version\":\"v1\"},\n"
            "{\"number\":2,\"time\":\"2023-11-14T22:13:20.000Z\",\"kind\":\"rejected\","
            "\"subject\":\"LDS \\\"in\\\"\",\"text\":\"address: bad\\n\"}\n"
            "],\"last\":2}\n");
  EXPECT_THAT(log.Json("rejected", 0), Not(HasSubstr("accepted")));
  EXPECT_THAT(log.Json("", 1), Not(HasSubstr("CDS app")));
}

TEST(EventLog, HoldsAThousandAndCutsLongTexts) {
  StandingClock clock;
  EventLog log(clock);
  for (int i = 0; i < 2500; ++i) {
    log.Add(EventLog::Kind::kFailed, base::Cat("subject ", i), std::string(100'000, 'x'));
  }
  const std::string json = log.Json("", 0);
  EXPECT_LT(json.size(), 1000U * 1300U);
  EXPECT_THAT(json, Not(HasSubstr("\"subject 1499\"")));
  EXPECT_THAT(json, HasSubstr("\"subject 1500\""));
  EXPECT_THAT(json, HasSubstr("\"last\":2500"));
}

}  // namespace
}  // namespace sluice::server
