#include <algorithm>
#include <array>
#include <atomic>

#include "base/check.h"
#include "base/field_errors.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "config/matchers.h"
#include "re2/re2.h"

namespace sluice::config {
namespace {

constexpr std::size_t kPatternBytesMax = 16 * 1024;
constexpr int kProgramSizeMax = 10'000;
constexpr std::int64_t kMemoryBytesMax = 1 << 20;
// What a substitution may blow a path up to: "x*" matches between any two bytes of a hostile path.
constexpr std::size_t kReplacedBytesMax = 256 * 1024;

RE2::Options CompileOptions() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMemoryBytesMax);
  return options;
}

re2::StringPiece ToPiece(std::string_view text) { return {text.data(), text.size()}; }

// The next character's bytes, so that an empty match never splits one.
std::size_t CharacterSize(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) ++size;
  return size;
}

}  // namespace

// Slots come in pages, so that a regex costs a proxy with few workers 256 bytes and not 2 KiB.
struct Regex::Programs {
  static constexpr std::size_t kPageSize = 16;
  static constexpr std::size_t kPages = 16;
  struct Page {
    std::array<std::atomic<const RE2*>, kPageSize> slots{};
    ~Page() {
      for (const auto& slot : slots) delete slot.load(std::memory_order_relaxed);
    }
  };

  Programs(std::string_view pattern, std::string prefix)
      : text(pattern), literal_prefix(std::move(prefix)) {}
  ~Programs() {
    for (const auto& page : pages) delete page.load(std::memory_order_relaxed);
  }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  const RE2& ForWorker(unsigned worker) const {
    SLUICE_CHECK(worker < kPages * kPageSize);
    auto& place = pages[worker / kPageSize];
    Page* page = place.load(std::memory_order_acquire);
    if (page == nullptr) {
      auto fresh = std::make_unique<Page>();
      if (place.compare_exchange_strong(page, fresh.get(), std::memory_order_acq_rel)) {
        page = fresh.release();
      }
    }
    auto& slot = page->slots[worker % kPageSize];  // Only this worker ever touches it.
    const RE2* program = slot.load(std::memory_order_relaxed);
    if (program == nullptr) {
      program = new RE2(text, CompileOptions());
      SLUICE_CHECK(program->ok());
      slot.store(program, std::memory_order_relaxed);
    }
    return *program;
  }

  // For everybody else, one at a time; compiled when it is first asked for.
  const RE2& OffWorkers() const SLUICE_REQUIRES(mutex) {
    if (off_workers == nullptr) off_workers = std::make_unique<RE2>(text, CompileOptions());
    return *off_workers;
  }

  std::string text;
  std::string literal_prefix;
  mutable base::Mutex mutex;
  mutable std::unique_ptr<const RE2> off_workers SLUICE_GUARDED_BY(mutex);
  mutable std::array<std::atomic<Page*>, kPages> pages{};
};

namespace {

// Every text between two strings begins with what these have in common.
std::string CommonPrefixOfMatches(const RE2& program) {
  constexpr int kBytes = 64;
  std::string low;
  std::string high;
  if (!program.PossibleMatchRange(&low, &high, kBytes)) return "";
  const auto end = std::mismatch(low.begin(), low.end(), high.begin(), high.end()).first;
  return {low.begin(), end};
}

}  // namespace

std::optional<Regex> Regex::Compile(std::string_view pattern, base::FieldErrors& errors) {
  if (pattern.empty()) {
    errors.Add("an empty regular expression; write what is to match");
    return std::nullopt;
  }
  if (pattern.size() > kPatternBytesMax) {
    errors.Add(base::Cat("a regular expression of ", pattern.size(), " bytes; at most ",
                         kPatternBytesMax, " are allowed"));
    return std::nullopt;
  }
  // Used once and forgotten: what it learns about texts may take a megabyte.
  const RE2 program(ToPiece(pattern), CompileOptions());
  if (!program.ok()) {
    errors.Add(base::Cat("not a valid RE2 expression '", base::Printable(pattern),
                         "': ", base::Printable(program.error())));
    return std::nullopt;
  }
  if (program.ProgramSize() > kProgramSizeMax) {
    errors.Add(base::Cat("the regular expression '", base::Printable(pattern),
                         "' compiles to a program of size ", program.ProgramSize(), "; at most ",
                         kProgramSizeMax, " is allowed"));
    return std::nullopt;
  }
  Regex regex;
  regex.programs_ = std::make_shared<const Programs>(pattern, CommonPrefixOfMatches(program));
  return regex;
}

const std::string& Regex::pattern() const { return programs_->text; }

bool Regex::FullMatch(std::string_view text, unsigned worker) const {
  const auto matches = [&](const RE2& program) {
    return program.Match(ToPiece(text), 0, text.size(), RE2::ANCHOR_BOTH, nullptr, 0);
  };
  if (worker != kNoWorker) return matches(programs_->ForWorker(worker));
  const base::MutexLock lock(programs_->mutex);
  return matches(programs_->OffWorkers());
}

namespace {

// Nullopt when nothing matched or the result grew beyond its bound.
std::optional<std::string> Replace(const RE2& program, std::string_view text,
                                   const std::string& substitution) {
  constexpr int kGroups = 10;
  re2::StringPiece groups[kGroups];
  const int groups_used = std::min(kGroups, 1 + RE2::MaxSubmatch(ToPiece(substitution)));
  std::string out;
  std::size_t at = 0;
  std::size_t last_end = std::string_view::npos;  // Of the match before; none there may be empty.
  bool replaced = false;
  while (at <= text.size()) {
    if (!program.Match(ToPiece(text), at, text.size(), RE2::UNANCHORED, groups, groups_used)) break;
    const auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
    const std::size_t end = begin + groups[0].size();
    out.append(text, at, begin - at);
    if (begin == end && begin == last_end) {
      if (begin == text.size()) {
        at = begin;
        break;
      }
      const std::size_t size = CharacterSize(text.substr(begin));
      out.append(text, begin, size);
      at = begin + size;
      continue;
    }
    if (!program.Rewrite(&out, ToPiece(substitution), groups, groups_used)) return std::nullopt;
    replaced = true;
    at = last_end = end;
    if (out.size() > kReplacedBytesMax) return std::nullopt;
  }
  if (!replaced) return std::nullopt;
  if (at < text.size()) out.append(text, at);
  return out;
}

}  // namespace

bool Regex::ReplaceAll(std::string& text, const std::string& substitution, unsigned worker) const {
  std::optional<std::string> replaced;
  if (worker != kNoWorker) {
    replaced = Replace(programs_->ForWorker(worker), text, substitution);
  } else {
    const base::MutexLock lock(programs_->mutex);
    replaced = Replace(programs_->OffWorkers(), text, substitution);
  }
  if (!replaced.has_value()) return false;
  text = *std::move(replaced);
  return true;
}

bool Regex::CheckSubstitution(const std::string& substitution, base::FieldErrors& errors) const {
  std::string reason;
  const base::MutexLock lock(programs_->mutex);
  if (programs_->OffWorkers().CheckRewriteString(ToPiece(substitution), &reason)) return true;
  errors.Add(base::Cat("not a valid substitution for '", base::Printable(pattern()),
                       "': ", base::Printable(reason)));
  return false;
}

const std::string& Regex::LiteralPrefix() const { return programs_->literal_prefix; }

}  // namespace sluice::config
