#include "server/json_writer.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

TEST(JsonWriter, IndentsByOneSpacePerLevel) {
  std::string out;
  JsonWriter json(&out);
  json.OpenObject();
  json.Member("text", "a\"b");
  json.Member("yes", true);
  json.Member("number", -3);
  json.OpenList("list");
  json.Text("x");
  json.OpenObject();
  json.Member("deep", std::uint64_t{18446744073709551615U});
  json.Close();
  json.Close();
  json.OpenList("none");
  json.Close();
  json.OpenObject("empty");
  json.Close();
  json.Close();
  EXPECT_EQ(
      out,
      "{\n \"text\": \"a\\\"b\",\n \"yes\": true,\n \"number\": -3,\n \"list\": [\n  \"x\",\n"
      "  {\n   \"deep\": 18446744073709551615\n  }\n ],\n \"none\": [],\n \"empty\": {}\n}\n");
}

TEST(JsonWriter, OutputMayChangeBetweenCalls) {
  std::string first;
  std::string second;
  JsonWriter json(&first);
  json.OpenList();
  json.Text("a");
  json.set_out(&second);
  json.Text("b");
  json.Close();
  EXPECT_EQ(first + second, "[\n \"a\",\n \"b\"\n]\n");
}

}  // namespace
}  // namespace sluice::server
