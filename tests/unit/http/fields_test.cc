#include "http/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/strings.h"

namespace sluice::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs Listed(const Fields& fields) {
  Pairs out;
  for (const Field field : fields) {
    EXPECT_EQ(field.id, FindName(field.name));
    out.emplace_back(field.name, field.value);
  }
  return out;
}

Fields Of(const Pairs& pairs) {
  Fields fields;
  for (const auto& [name, value] : pairs) fields.Add(name, value);
  return fields;
}

TEST(FindName, FindsEachOfItsTextsInAnyCase) {
  for (int i = 1; i < static_cast<int>(Name::kCount); ++i) {
    const Name name = static_cast<Name>(i);
    std::string text(NameText(name));
    ASSERT_FALSE(text.empty()) << i;
    EXPECT_EQ(FindName(text), name) << text;
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    EXPECT_EQ(FindName(text), name) << text;
  }
}

TEST(FindName, FindsNothingElse) {
  EXPECT_EQ(NameText(Name::kOther), "");
  for (const std::string_view text : {"", "x", "hos", "hosts", "x-host", "content_length",
                                      "content-lengtH\r", "\x88ost", "x-request-iD ", ":path"}) {
    EXPECT_EQ(FindName(text), Name::kOther) << text;
  }
  for (int i = 1; i < static_cast<int>(Name::kCount); ++i) {  // One byte off is another name.
    const std::string_view text = NameText(static_cast<Name>(i));
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string other(text);
      other[at] = other[at] == '-' ? '\r' : static_cast<char>(other[at] ^ 0x40);
      EXPECT_EQ(FindName(other), Name::kOther) << base::Printable(other);
    }
  }
}

TEST(Fields, KeepOrderAndLowerNames) {
  const Fields fields = Of({{"X-B", "1"}, {"HOST", "a"}, {"x-b", "2"}, {"A", ""}});
  EXPECT_EQ(Listed(fields), (Pairs{{"x-b", "1"}, {"host", "a"}, {"x-b", "2"}, {"a", ""}}));
  EXPECT_EQ(fields.size(), 4U);
  EXPECT_EQ(fields.bytes(), 3U + 1 + 4 + 1 + 3 + 1 + 1);
  EXPECT_TRUE(fields.Has(Name::kHost));
  EXPECT_FALSE(fields.Has(Name::kCookie));
}

TEST(Fields, GetGivesTheFirst) {
  const Fields fields = Of({{"x-b", "1"}, {"Cookie", "a=b"}, {"X-B", "2"}, {"cookie", "c=d"}});
  EXPECT_EQ(fields.Get("X-b"), "1");
  EXPECT_EQ(fields.Get(Name::kCookie), "a=b");
  EXPECT_EQ(fields.Get("COOKIE"), "a=b");
  EXPECT_EQ(fields.CountOf(Name::kCookie), 2U);
  EXPECT_EQ(fields.CountOf(Name::kHost), 0U);
  EXPECT_EQ(fields.Get("x"), std::nullopt);
  EXPECT_EQ(fields.Get(Name::kHost), std::nullopt);
}

TEST(Fields, GetJoinedJoinsOnlyTheSameName) {
  const Fields fields = Of({{"x-role", "user"},
                            {"accept", "a"},
                            {"X-Role", "admin"},
                            {"Accept", "b"},
                            {"x-rol", "c"},
                            {"x-role", ""}});
  std::string scratch = "old";
  EXPECT_EQ(fields.GetJoined("X-Role", scratch), "user,admin,");
  EXPECT_EQ(fields.GetJoined("accept", scratch), "a,b");
  scratch = "untouched";
  EXPECT_EQ(fields.GetJoined("x-rol", scratch), "c");
  EXPECT_EQ(scratch, "untouched");
  EXPECT_EQ(fields.GetJoined("x-none", scratch), std::nullopt);
  EXPECT_EQ(fields.GetJoined("host", scratch), std::nullopt);
}

TEST(Fields, SetReplacesAllByOneInPlace) {
  Fields fields = Of({{"a", "1"}, {"x", "old"}, {"b", "2"}, {"X", "older"}});
  fields.Set("X", "a value that is longer");
  EXPECT_EQ(Listed(fields), (Pairs{{"a", "1"}, {"x", "a value that is longer"}, {"b", "2"}}));
  fields.Set("x", "s");
  EXPECT_EQ(Listed(fields), (Pairs{{"a", "1"}, {"x", "s"}, {"b", "2"}}));
  fields.Set(Name::kHost, "h");
  fields.Set("Host", "");
  EXPECT_EQ(Listed(fields), (Pairs{{"a", "1"}, {"x", "s"}, {"b", "2"}, {"host", ""}}));
  EXPECT_EQ(fields.bytes(), 1U + 1 + 1 + 1 + 1 + 1 + 4);
}

TEST(Fields, TakeTheirOwnValues) {
  Fields fields = Of({{"x-from", "a value too long for a short string"}});
  for (int i = 0; i < 50; ++i) fields.Add(fields.At(0).name, *fields.Get("x-from"));
  for (std::size_t i = 0; i < fields.size(); ++i) EXPECT_EQ(fields.At(i).value, fields.At(0).value);
  fields.Add("x-to", "short");
  fields.Set("x-to", *fields.Get("x-from"));
  EXPECT_EQ(fields.Get("x-to"), "a value too long for a short string");
  fields.Set("x-to", fields.Get("x-to")->substr(2, 5));
  EXPECT_EQ(fields.Get("x-to"), "value");
}

TEST(Fields, RemoveRemovesAll) {
  Fields fields = Of({{"a", "1"}, {"te", "x"}, {"A", "2"}, {"b", "3"}, {"TE", "y"}});
  EXPECT_EQ(fields.Remove("te"), 2U);
  EXPECT_FALSE(fields.Has(Name::kTe));
  EXPECT_EQ(fields.Remove(Name::kTe), 0U);
  EXPECT_EQ(fields.Remove("a"), 2U);
  EXPECT_EQ(fields.Remove("a"), 0U);
  EXPECT_EQ(Listed(fields), (Pairs{{"b", "3"}}));
  fields.RemoveAt(0);
  EXPECT_TRUE(fields.empty());
  EXPECT_EQ(fields.bytes(), 0U);
  EXPECT_FALSE(fields.Has(Name::kOther));
}

TEST(Fields, EqualMeansSameNamesValuesOrder) {
  const Fields a = Of({{"A", "1"}, {"b", "2"}});
  EXPECT_EQ(a, Of({{"a", "1"}, {"B", "2"}}));
  EXPECT_FALSE(a == Of({{"b", "2"}, {"a", "1"}}));
  EXPECT_FALSE(a == Of({{"a", "1"}}));
  EXPECT_FALSE(a == Of({{"a", "1"}, {"b", "3"}}));
  Fields other = Of({{"x", "longer than what comes"}, {"A", "0"}, {"b", "2"}});
  other.Remove("x");
  other.Set("a", "1");
  EXPECT_EQ(a, other);
}

// Random edits beside a plain vector of pairs.
TEST(Fields, BehaveAsAListOfPairs) {
  const std::uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(base::Cat("seed ", seed));
  base::FastRandom random(seed);
  static constexpr std::string_view kNames[] = {"host", "x-a", "x-b", "cookie", "te", "y"};
  for (int round = 0; round < 200; ++round) {
    Fields fields;
    Pairs model;
    for (int step = 0; step < 40; ++step) {
      const std::string name(kNames[random.Next() % std::size(kNames)]);
      const std::string value(random.Next() % 12, 'v');
      const auto same = [&](const auto& pair) { return pair.first == name; };
      switch (random.Next() % 5) {
        case 0:
        case 1:
          fields.Add(name, value);
          model.emplace_back(name, value);
          break;
        case 2: {
          fields.Set(name, value);
          const auto first = std::find_if(model.begin(), model.end(), same);
          if (first == model.end()) {
            model.emplace_back(name, value);
          } else {
            first->second = value;
            model.erase(std::remove_if(first + 1, model.end(), same), model.end());
          }
          break;
        }
        case 3:
          EXPECT_EQ(fields.Remove(name), std::erase_if(model, same));
          break;
        default:
          if (!model.empty()) {
            const std::size_t at = random.Next() % model.size();
            fields.RemoveAt(at);
            model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
          }
      }
      std::size_t bytes = 0;
      for (const auto& [n, v] : model) bytes += n.size() + v.size();
      ASSERT_EQ(Listed(fields), model);
      ASSERT_EQ(fields.bytes(), bytes);
      for (const std::string_view n : kNames) {
        const auto found = std::find_if(model.begin(), model.end(),
                                        [&](const auto& pair) { return pair.first == n; });
        ASSERT_EQ(fields.Get(n).has_value(), found != model.end());
        if (found != model.end()) {
          ASSERT_EQ(*fields.Get(n), found->second);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::http
