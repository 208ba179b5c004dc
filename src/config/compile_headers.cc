#include "config/compile_headers.h"

#include <algorithm>
#include <array>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_matchers.h"
#include "envoy/config/common/mutation_rules/v3/mutation_rules.pb.h"
#include "envoy/config/core/v3/base.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoStep = envoy::config::common::mutation_rules::v3::HeaderMutation;
using ProtoOption = envoy::config::core::v3::HeaderValueOption;

constexpr std::size_t kBytesMax = 16 * 1024;
constexpr int kAdditionsMax = 1000;

constexpr bool IsTokenByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// How a body is framed is decided anew on each side; a second opinion is how smuggling starts.
constexpr std::array<std::string_view, 2> kFraming = {"content-length", "transfer-encoding"};
// Of one connection, and so not the operator's to send. Removing them does no harm.
constexpr std::array<std::string_view, 4> kOfConnection = {"connection", "keep-alive",
                                                           "proxy-connection", "upgrade"};

template <std::size_t kSize>
bool IsAmong(const std::array<std::string_view, kSize>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The name in lower case; what is wrong with it is reported at the current scope.
std::string CompileName(const std::string& name, bool add, base::FieldErrors& errors) {
  std::string lower = base::Lowercase(name);
  if (name.empty()) {
    errors.Add("is empty; write a header name");
  } else if (name.size() > kBytesMax) {
    errors.Add(base::Cat("has ", name.size(), " bytes; at most ", kBytesMax, " are allowed"));
  } else if (lower.starts_with(':') || lower == "host") {
    errors.Add(
        base::Cat("'", base::Printable(name), "': :-prefixed or host headers may not be modified"));
  } else if (!IsHeaderName(name)) {
    errors.Add(base::Cat("'", base::Printable(name), "' is no header name"));
  } else if (IsAmong(kFraming, lower)) {
    errors.Add(base::Cat("'", lower, "' may not be modified: the proxy frames each message"));
  } else if (add && IsAmong(kOfConnection, lower)) {
    errors.Add(base::Cat("'", lower, "' may not be added: it belongs to one connection"));
  }
  return lower;
}

HeaderAddition::Action CompileAction(const ProtoOption& proto, base::FieldErrors& errors) {
  using Action = HeaderAddition::Action;
  if (proto.has_append()) {
    if (proto.append_action() != ProtoOption::APPEND_IF_EXISTS_OR_ADD) {
      errors.AddAt("append", "cannot stand beside append_action; use append_action alone");
    }
    return proto.append().value() ? Action::kAppend : Action::kOverwrite;
  }
  switch (proto.append_action()) {
    case ProtoOption::ADD_IF_ABSENT:
      return Action::kAddIfAbsent;
    case ProtoOption::OVERWRITE_IF_EXISTS_OR_ADD:
      return Action::kOverwrite;
    case ProtoOption::OVERWRITE_IF_EXISTS:
      return Action::kOverwriteIfExists;
    default:
      return Action::kAppend;  // Other numbers were reported with the field classes.
  }
}

HeaderAddition CompileAddition(const ProtoOption& proto, base::FieldErrors& errors) {
  HeaderAddition addition;
  if (!proto.has_header()) {
    errors.AddAt("header", "is required");
    return addition;
  }
  {
    const Scope header(errors, "header");
    {
      const Scope key(errors, "key");
      addition.name = CompileName(proto.header().key(), true, errors);
    }
    CheckHeaderValue(proto.header().value(), "value", errors);
    const Scope value(errors, "value");
    addition.value = CompileFormat(proto.header().value(), errors);
  }
  addition.action = CompileAction(proto, errors);
  addition.keep_empty = proto.keep_empty_value();
  return addition;
}

}  // namespace

bool IsHeaderName(std::string_view name) {
  if (name.starts_with(':')) name.remove_prefix(1);
  return !name.empty() && std::all_of(name.begin(), name.end(), IsTokenByte);
}

bool IsHeaderValue(std::string_view value) {
  return value.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

void CheckHeaderValue(std::string_view value, std::string_view field, base::FieldErrors& errors) {
  if (!IsHeaderValue(value)) {
    errors.AddAt(field, base::Cat("'", base::Printable(value),
                                  "' may not hold NUL, CR or LF: they would end the header"));
  } else if (value.size() > kBytesMax) {
    errors.AddAt(field,
                 base::Cat("has ", value.size(), " bytes; at most ", kBytesMax, " are allowed"));
  }
}

HeaderMutations CompileMutations(const google::protobuf::RepeatedPtrField<ProtoOption>& add,
                                 const google::protobuf::RepeatedPtrField<std::string>& remove,
                                 std::string_view direction, base::FieldErrors& errors) {
  HeaderMutations mutations;
  const std::string remove_field = base::Cat(direction, "_headers_to_remove");
  for (int i = 0; i < remove.size(); ++i) {
    const Scope scope(errors, remove_field, static_cast<std::size_t>(i));
    mutations.remove.push_back(CompileName(remove[i], false, errors));
  }
  mutations.add = CompileAdditions(add, base::Cat(direction, "_headers_to_add"), errors);
  return mutations;
}

std::vector<HeaderAddition> CompileAdditions(
    const google::protobuf::RepeatedPtrField<ProtoOption>& add, std::string_view field,
    base::FieldErrors& errors) {
  std::vector<HeaderAddition> additions;
  if (add.size() > kAdditionsMax) {
    errors.AddAt(
        field, base::Cat("has ", add.size(), " entries; at most ", kAdditionsMax, " are allowed"));
    return additions;
  }
  for (int i = 0; i < add.size(); ++i) {
    const Scope scope(errors, field, static_cast<std::size_t>(i));
    additions.push_back(CompileAddition(add[i], errors));
  }
  return additions;
}

namespace {

HeaderStep CompileStep(const ProtoStep& proto, base::FieldErrors& errors) {
  HeaderStep step;
  switch (proto.action_case()) {
    case ProtoStep::kRemove: {
      const Scope scope(errors, "remove");
      step.remove = CompileName(proto.remove(), false, errors);
      break;
    }
    case ProtoStep::kAppend: {
      const Scope scope(errors, "append");
      step.add = CompileAddition(proto.append(), errors);
      break;
    }
    case ProtoStep::kRemoveOnMatch: {
      const Scope scope(errors, "remove_on_match");
      const Scope matcher(errors, "key_matcher");
      if (!proto.remove_on_match().has_key_matcher()) {
        errors.Add("is required");
      } else {
        step.remove_matching = CompileStringMatcher(proto.remove_on_match().key_matcher(), errors);
      }
      break;
    }
    case ProtoStep::ACTION_NOT_SET:
      errors.Add("no action; write remove, append or remove_on_match");
      break;
  }
  return step;
}

}  // namespace

HeaderSteps CompileHeaderSteps(const google::protobuf::RepeatedPtrField<ProtoStep>& steps,
                               std::string_view field, base::FieldErrors& errors) {
  HeaderSteps out;
  if (steps.size() > kAdditionsMax) {
    errors.AddAt(field, base::Cat("has ", steps.size(), " entries; at most ", kAdditionsMax,
                                  " are allowed"));
    return out;
  }
  for (int i = 0; i < steps.size(); ++i) {
    const Scope scope(errors, field, static_cast<std::size_t>(i));
    out.push_back(CompileStep(steps[i], errors));
  }
  return out;
}

}  // namespace sluice::config
