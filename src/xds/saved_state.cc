#include "xds/saved_state.h"

#include <cstring>

#include "base/status.h"
#include "base/strings.h"

namespace sluice::xds {
namespace {

// The file: magic, then the checksum and the size of what follows, then the body. Numbers are
// little-endian, texts have their length before them.
constexpr std::string_view kMagic = "sluice-state-1\n";
constexpr std::size_t kHeaderBytes = kMagic.size() + 8 + 8;

// FNV-1a: any single changed byte changes it.
std::uint64_t Checksum(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return hash;
}

void PutNumber(std::string& out, std::uint64_t number) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>((number >> (8 * i)) & 0xff);
}

void PutText(std::string& out, std::string_view text) {
  PutNumber(out, text.size());
  out += text;
}

// Reads until something does not fit; then everything it gives is empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Number() {
    if (rest_.size() < 8) return Fail();
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      number |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    rest_.remove_prefix(8);
    return number;
  }
  std::string Text() {
    const std::uint64_t size = Number();
    if (size > rest_.size()) Fail();
    if (!ok_) return "";
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::uint64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string EncodeState(const SavedState& state) {
  std::string body;
  PutText(body, state.node);
  PutNumber(
      body,
      static_cast<std::uint64_t>(
          std::chrono::duration_cast<base::milliseconds>(state.saved.time_since_epoch()).count()));
  PutNumber(body, state.types.size());
  for (const SavedType& type : state.types) {
    PutText(body, TypeName(TypeUrl(type.type)));
    PutText(body, type.version);
    PutNumber(body, type.resources.size());
    for (const SavedResource& resource : type.resources) {
      PutText(body, resource.name);
      PutText(body, resource.version);
      PutText(body, resource.bytes);
    }
  }
  std::string out(kMagic);
  out.reserve(kHeaderBytes + body.size());
  PutNumber(out, Checksum(body));
  PutNumber(out, body.size());
  return out + body;
}

// The year 2200: what a clock in nanoseconds still holds.
constexpr std::uint64_t kSavedMsMax = 7'258'118'400'000;

absl::StatusOr<SavedState> DecodeState(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return base::InvalidArgument("is no state file of this version");
  if (bytes.size() < kHeaderBytes) return base::InvalidArgument("is cut short");
  Reader header(bytes.substr(kMagic.size(), 16));
  const std::uint64_t checksum = header.Number();
  const std::uint64_t size = header.Number();
  const std::string_view body = bytes.substr(kHeaderBytes);
  if (body.size() != size) {
    return base::InvalidArgument(base::Cat("has ", body.size(), " bytes where ", size, " belong"));
  }
  if (Checksum(body) != checksum) return base::InvalidArgument("is damaged: its checksum is wrong");
  // The checksum holds, but a forged one does too: sizes are still checked.
  Reader in(body);
  SavedState state;
  state.node = in.Text();
  const std::uint64_t saved_ms = in.Number();
  if (saved_ms > kSavedMsMax) return base::InvalidArgument("was saved at no time there is");
  state.saved = base::WallTime(base::milliseconds(static_cast<std::int64_t>(saved_ms)));
  const std::uint64_t types = in.Number();
  for (std::uint64_t i = 0; i < types && in.ok(); ++i) {
    const std::string name = in.Text();
    SavedType type;
    type.version = in.Text();
    const std::uint64_t count = in.Number();
    for (std::uint64_t j = 0; j < count && in.ok(); ++j) {
      SavedResource resource;
      resource.name = in.Text();
      resource.version = in.Text();
      resource.bytes = in.Text();
      type.resources.push_back(std::move(resource));
    }
    const auto known = FindResourceType(name);
    if (!known) continue;  // Of a newer build.
    type.type = *known;
    state.types.push_back(std::move(type));
  }
  if (!in.done()) return base::InvalidArgument("is malformed");
  return state;
}

}  // namespace sluice::xds
