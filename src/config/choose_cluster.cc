// Which cluster a request goes to, and the hash that picks a host in it. envoy-behaviour.md 2.5.
#include <algorithm>
#include <bit>
#include <limits>

#include "base/strings.h"
#include "base/xxhash.h"
#include "config/route.h"
#include "http/head.h"

namespace sluice::config {
namespace {

std::uint64_t WeightOf(const WeightedCluster& cluster, const Runtime* runtime) {
  if (runtime == nullptr || cluster.runtime_key.empty()) return cluster.weight;
  const RuntimeValue* value = runtime->Find(cluster.runtime_key);
  if (value == nullptr || !value->is_number || value->number < 0 ||
      value->number > std::numeric_limits<std::uint32_t>::max()) {
    return cluster.weight;
  }
  return static_cast<std::uint64_t>(value->number);
}

// The value of `policy` for this request, or nullopt. `made`: a cookie that is to be set.
class Hasher {
 public:
  Hasher(const http::RequestHead& head, const HashSource& source,
         std::vector<std::string>& set_cookies)
      : head_(head), source_(source), set_cookies_(set_cookies) {}

  std::optional<std::uint64_t> Hash(const HashPolicy& policy) {
    switch (policy.kind) {
      case HashPolicy::Kind::kHeader:
        return HashHeader(policy);
      case HashPolicy::Kind::kCookie:
        return HashCookie(policy);
      case HashPolicy::Kind::kSourceIp:
        if (source_.client_ip.empty()) return std::nullopt;
        return base::XxHash64(source_.client_ip);
      case HashPolicy::Kind::kQuery:
        if (const auto value = FindQueryParameter(head_.path, policy.name)) {
          return base::XxHash64(*value);
        }
        return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  // Several values in any order give one hash.
  std::optional<std::uint64_t> HashHeader(const HashPolicy& policy) {
    std::vector<std::string> values;
    if (policy.name == ":path") {
      values.push_back(head_.path);
    } else if (policy.name == ":authority" || policy.name == "host") {
      values.push_back(head_.authority);
    } else if (policy.name == ":method") {
      values.emplace_back(head_.method_text);
    } else {
      for (const http::Field field : head_.fields) {
        if (field.name == policy.name) values.emplace_back(field.value);
      }
    }
    if (values.empty()) return std::nullopt;
    if (policy.rewrite.has_value()) {
      for (std::string& value : values) {
        policy.rewrite->regex.ReplaceAll(value, policy.rewrite->substitution, source_.worker);
      }
    }
    std::sort(values.begin(), values.end());
    std::uint64_t hash = 0;
    for (const std::string& value : values) hash = base::XxHash64(value, hash);
    return hash;
  }

  std::optional<std::uint64_t> HashCookie(const HashPolicy& policy) {
    const auto value = FindCookie(head_, policy.name);
    if (value.has_value() && !value->empty()) return base::XxHash64(*value);
    if (!policy.cookie_ttl_s.has_value()) return std::nullopt;
    // The same for all requests of a connection, however they race.
    const std::string made = Hex(base::XxHash64(source_.connection));
    std::string line = base::Cat(policy.name, "=\"", made, "\"");
    if (*policy.cookie_ttl_s != 0) base::Append(line, "; Max-Age=", *policy.cookie_ttl_s);
    base::Append(line, policy.cookie_tail, "; HttpOnly");
    set_cookies_.push_back(std::move(line));
    return base::XxHash64(made);
  }

  static std::string Hex(std::uint64_t number) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; number >>= 4) out[i] = kDigits[number & 15];
    return out;
  }

  const http::RequestHead& head_;
  const HashSource& source_;
  std::vector<std::string>& set_cookies_;
};

}  // namespace

const WeightedCluster* PickWeighted(const ForwardAction& action, std::uint64_t random,
                                    const Runtime* runtime) {
  std::uint64_t total = action.weight_total;
  if (action.weights_in_runtime && runtime != nullptr) {
    total = 0;
    for (const WeightedCluster& cluster : action.weighted) total += WeightOf(cluster, runtime);
  } else {
    runtime = nullptr;
  }
  if (total == 0) return nullptr;
  std::uint64_t rest = random % total;
  for (const WeightedCluster& cluster : action.weighted) {
    const std::uint64_t weight = WeightOf(cluster, runtime);
    if (rest < weight) return &cluster;
    rest -= weight;
  }
  return nullptr;
}

std::uint64_t WeightNumber(const ForwardAction& action, const http::RequestHead& head,
                           std::optional<std::uint64_t> hash, std::uint64_t random) {
  if (!action.weight_header.empty()) {
    const auto text = head.fields.Get(action.weight_header);
    const auto number = text.has_value() ? base::ParseUint(*text) : std::nullopt;
    return number.value_or(random);
  }
  return action.weight_by_hash ? hash.value_or(random) : random;
}

std::string_view ClusterName(const ForwardAction& action, const WeightedCluster* weighted,
                             const http::RequestHead& head) {
  const std::string& header =
      weighted != nullptr ? weighted->cluster_header : action.cluster_header;
  if (!header.empty()) return head.fields.Get(header).value_or(std::string_view());
  return weighted != nullptr ? weighted->cluster : action.cluster;
}

std::optional<std::uint64_t> HashRequest(const ForwardAction& action, const http::RequestHead& head,
                                         const HashSource& source,
                                         std::vector<std::string>& set_cookies) {
  std::optional<std::uint64_t> hash;
  Hasher hasher(head, source, set_cookies);
  for (const HashPolicy& policy : action.hash) {
    const std::optional<std::uint64_t> more = hasher.Hash(policy);
    if (more.has_value()) hash = hash.has_value() ? std::rotl(*hash, 1) ^ *more : *more;
    if (hash.has_value() && policy.terminal) break;
  }
  return hash;
}

}  // namespace sluice::config
