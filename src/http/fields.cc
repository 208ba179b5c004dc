#include "http/fields.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "http/chars.h"

namespace sluice::http {
namespace {

constexpr std::size_t kNames = static_cast<std::size_t>(Name::kCount);

constexpr std::array<std::string_view, kNames> kTexts = {
    "",
    "accept",
    "accept-encoding",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "access-control-allow-private-network",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "origin",
    "proxy-connection",
    "referer",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-upstream-service-time",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
};

// Perfect hashing: four bytes of the name and its length, under a multiplier that the compiler
// searches, tell all known names apart; one comparison then decides.
constexpr std::size_t kSlots = 512;

constexpr std::size_t Slot(std::string_view name, std::uint32_t multiplier) {
  // Setting bit 5 maps upper case onto lower case; what else it merges, the comparison tells apart.
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i]) | 0x20U);
  };
  const std::size_t n = name.size();
  const std::uint32_t key = at(0) | at(n / 2) << 8 | at(n - 1) << 16 | at(n * 3 / 4) << 24;
  const std::uint32_t mixed = (key ^ static_cast<std::uint32_t>(n) * 0x9E3779B1U) * multiplier;
  return mixed >> 23;
}

consteval std::uint32_t FindMultiplier() {
  for (std::uint32_t multiplier = 0x9E3779B1U;; multiplier += 0x3C6EF372U) {
    std::array<bool, kSlots> taken{};
    bool clash = false;
    for (std::size_t i = 1; i < kNames && !clash; ++i) {
      bool& slot = taken[Slot(kTexts[i], multiplier)];
      clash = slot;
      slot = true;
    }
    if (!clash) return multiplier;
  }
}

constexpr std::uint32_t kMultiplier = FindMultiplier();

consteval std::array<Name, kSlots> MakeSlots() {
  std::array<Name, kSlots> slots{};
  for (std::size_t i = 1; i < kNames; ++i) {
    slots[Slot(kTexts[i], kMultiplier)] = static_cast<Name>(i);
  }
  return slots;
}

constexpr std::array<Name, kSlots> kSlotTable = MakeSlots();

consteval bool AllTextsFilled() {
  for (std::size_t i = 1; i < kNames; ++i) {
    if (kTexts[i].empty()) return false;
  }
  return true;
}
static_assert(AllTextsFilled(), "every Name has its text");

constexpr std::uint64_t BitOf(Name id) { return std::uint64_t{1} << static_cast<unsigned>(id); }

std::string_view Slice(const std::string& bytes, std::uint32_t at, std::uint32_t size) {
  return {bytes.data() + at, size};
}

}  // namespace

Name FindName(std::string_view name) {
  if (name.empty()) return Name::kOther;
  const Name candidate = kSlotTable[Slot(name, kMultiplier)];
  const std::string_view text = NameText(candidate);
  if (text.size() != name.size()) return Name::kOther;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (TokenLower(name[i]) != text[i]) return Name::kOther;
  }
  return candidate;
}

std::string_view NameText(Name name) { return kTexts[static_cast<std::size_t>(name)]; }

bool Fields::Owns(std::string_view text) const {
  return !text.empty() && text.data() >= bytes_.data() &&
         text.data() < bytes_.data() + bytes_.size();
}

void Fields::Add(std::string_view name, std::string_view value) {
  Add(FindName(name), name, value);
}

void Fields::Add(Name name, std::string_view value) { Add(name, NameText(name), value); }

void Fields::Add(Name id, std::string_view name, std::string_view value) {
  SLUICE_DCHECK(id == FindName(name));
  if (Owns(name) || Owns(value)) {  // Growing would pull the text away from under us.
    Add(id, std::string(name), std::string(value));
    return;
  }
  const std::size_t name_at = bytes_.size();
  const std::size_t needed = name_at + name.size() + value.size();
  SLUICE_CHECK(needed <= UINT32_MAX);  // Every reader bounds what it adds far below.
  if (id != Name::kOther) {
    bytes_.append(NameText(id));
  } else {
    bytes_.append(name);
    for (std::size_t i = name_at; i < bytes_.size(); ++i) bytes_[i] = base::ToLower(bytes_[i]);
  }
  bytes_.append(value);
  entries_.push_back(
      {static_cast<std::uint32_t>(name_at), static_cast<std::uint32_t>(name_at + name.size()),
       static_cast<std::uint32_t>(value.size()), static_cast<std::uint32_t>(name.size()), id});
  present_ |= BitOf(id);
  live_bytes_ += name.size() + value.size();
}

template <typename Matches>
std::size_t Fields::RemoveIf(Matches matches) {
  std::size_t kept = 0;
  std::uint64_t present = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry entry = entries_[i];
    if (matches(entry)) {
      live_bytes_ -= std::size_t{entry.name_size} + entry.value_size;
      continue;
    }
    present |= BitOf(entry.id);
    entries_[kept++] = entry;
  }
  const std::size_t removed = entries_.size() - kept;
  entries_.resize(kept);
  present_ = present;
  return removed;
}

template <typename Matches>
bool Fields::ReplaceFirst(Matches matches, std::string_view value) {
  if (Owns(value)) return ReplaceFirst(matches, std::string(value));
  bool replaced = false;
  RemoveIf([&](const Entry& entry) { return matches(entry) && std::exchange(replaced, true); });
  if (!replaced) return false;
  for (Entry& entry : entries_) {
    if (!matches(entry)) continue;
    live_bytes_ = live_bytes_ - entry.value_size + value.size();
    if (value.size() <= entry.value_size) {
      bytes_.replace(entry.value_at, value.size(), value);
    } else {
      SLUICE_CHECK(bytes_.size() + value.size() <= UINT32_MAX);
      entry.value_at = static_cast<std::uint32_t>(bytes_.size());
      bytes_.append(value);
    }
    entry.value_size = static_cast<std::uint32_t>(value.size());
    break;
  }
  return true;
}

void Fields::Set(std::string_view name, std::string_view value) {
  const Name id = FindName(name);
  if (id != Name::kOther) {
    Set(id, value);
    return;
  }
  const auto matches = [&](const Entry& entry) {
    return entry.id == Name::kOther &&
           base::EqualsIgnoreCase(Slice(bytes_, entry.name_at, entry.name_size), name);
  };
  if (!ReplaceFirst(matches, value)) Add(id, name, value);
}

void Fields::Set(Name name, std::string_view value) {
  SLUICE_DCHECK(name != Name::kOther);
  if (Has(name) && ReplaceFirst([&](const Entry& entry) { return entry.id == name; }, value)) {
    return;
  }
  Add(name, value);
}

std::size_t Fields::Remove(std::string_view name) {
  const Name id = FindName(name);
  if (id != Name::kOther) return Remove(id);
  if (!Has(Name::kOther)) return 0;
  return RemoveIf([&](const Entry& entry) {
    return entry.id == Name::kOther &&
           base::EqualsIgnoreCase(Slice(bytes_, entry.name_at, entry.name_size), name);
  });
}

std::size_t Fields::Remove(Name name) {
  SLUICE_DCHECK(name != Name::kOther);
  if (!Has(name)) return 0;
  return RemoveIf([&](const Entry& entry) { return entry.id == name; });
}

void Fields::RemoveAt(std::size_t index) {
  SLUICE_DCHECK(index < entries_.size());
  std::size_t i = 0;
  RemoveIf([&](const Entry&) { return i++ == index; });
}

void Fields::Clear() {
  bytes_.clear();
  entries_.clear();
  present_ = 0;
  live_bytes_ = 0;
}

std::optional<std::string_view> Fields::Get(Name name) const {
  SLUICE_DCHECK(name != Name::kOther);
  if (!Has(name)) return std::nullopt;
  for (const Entry& entry : entries_) {
    if (entry.id == name) return Slice(bytes_, entry.value_at, entry.value_size);
  }
  return std::nullopt;
}

std::optional<std::string_view> Fields::Get(std::string_view name) const {
  const Name id = FindName(name);
  if (id != Name::kOther) return Get(id);
  for (const Entry& entry : entries_) {
    if (entry.id == Name::kOther &&
        base::EqualsIgnoreCase(Slice(bytes_, entry.name_at, entry.name_size), name)) {
      return Slice(bytes_, entry.value_at, entry.value_size);
    }
  }
  return std::nullopt;
}

std::size_t Fields::CountOf(Name name) const {
  if (!Has(name)) return 0;
  std::size_t count = 0;
  for (const Entry& entry : entries_) count += entry.id == name ? 1 : 0;
  return count;
}

std::optional<std::string_view> Fields::GetJoined(std::string_view name,
                                                  std::string& scratch) const {
  const Name id = FindName(name);
  if (!Has(id)) return std::nullopt;
  std::optional<std::string_view> joined;
  for (const Entry& entry : entries_) {
    if (entry.id != id) continue;
    if (id == Name::kOther &&
        !base::EqualsIgnoreCase(Slice(bytes_, entry.name_at, entry.name_size), name)) {
      continue;
    }
    const std::string_view value = Slice(bytes_, entry.value_at, entry.value_size);
    if (!joined) {
      joined = value;
      continue;
    }
    if (joined->data() != scratch.data()) scratch.assign(*joined);
    scratch += ',';
    scratch += value;
    joined = scratch;
  }
  return joined;
}

Field Fields::At(std::size_t index) const {
  SLUICE_DCHECK(index < entries_.size());
  const Entry& entry = entries_[index];
  return {entry.id, Slice(bytes_, entry.name_at, entry.name_size),
          Slice(bytes_, entry.value_at, entry.value_size)};
}

bool Fields::operator==(const Fields& other) const {
  if (size() != other.size()) return false;
  for (std::size_t i = 0; i < size(); ++i) {
    const Field a = At(i);
    const Field b = other.At(i);
    if (a.name != b.name || a.value != b.value) return false;
  }
  return true;
}

}  // namespace sluice::http
