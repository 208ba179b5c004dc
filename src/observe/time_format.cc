#include "observe/time_format.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

#include "base/strings.h"

namespace sluice::observe {
namespace {

using std::chrono::duration_cast;
using std::chrono::floor;
using std::chrono::nanoseconds;

// A format with one second filled in: only digits of the fraction are missing.
struct FormattedSecond {
  struct Piece {
    std::string text;
    unsigned digits = 0;  // Of the fraction, after `text`; 0: none.
  };
  std::string format;
  bool local = false;
  std::int64_t second = INT64_MIN;
  std::vector<Piece> pieces;
};

std::string Strftime(const std::string& format, const std::tm& broken_down) {
  if (format.empty()) return "";
  std::array<char, 256> buffer;
  const std::size_t size =
      std::strftime(buffer.data(), buffer.size(), format.c_str(), &broken_down);
  return {buffer.data(), size};
}

void FillSecond(FormattedSecond& into) {
  const auto time = static_cast<std::time_t>(into.second);
  std::tm broken_down{};
  if (into.local) {
    localtime_r(&time, &broken_down);
  } else {
    gmtime_r(&time, &broken_down);
  }
  into.pieces.clear();
  std::string pending;  // Still to go through strftime.
  const std::string& format = into.format;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      pending += format[i];
      continue;
    }
    const char next = format[i + 1];
    const bool digits = next >= '1' && next <= '9' && i + 2 < format.size() && format[i + 2] == 'f';
    if (next == 'f' || digits) {
      into.pieces.push_back(
          {Strftime(pending, broken_down), digits ? static_cast<unsigned>(next - '0') : 9U});
      pending.clear();
      i += digits ? 2 : 1;
    } else if (next == 's') {  // strftime's would take the machine's zone into account.
      base::Append(pending, into.second);
      ++i;
    } else {
      pending += format[i];
      pending += next;
      ++i;
    }
  }
  into.pieces.push_back({Strftime(pending, broken_down), 0});
}

void AppendFraction(std::uint64_t nanos, unsigned digits, std::string& out) {
  char text[9];
  for (int i = 8; i >= 0; --i) {
    text[i] = static_cast<char>('0' + nanos % 10);
    nanos /= 10;
  }
  out.append(text, digits);
}

const FormattedSecond& Cached(std::string_view format, bool local, std::int64_t second) {
  thread_local std::array<FormattedSecond, 4> cache;
  thread_local unsigned next = 0;
  for (FormattedSecond& each : cache) {
    if (each.local != local || each.format != format || each.second == INT64_MIN) continue;
    if (each.second != second) {
      each.second = second;
      FillSecond(each);
    }
    return each;
  }
  FormattedSecond& victim = cache[next++ % cache.size()];
  victim.format = format;
  victim.local = local;
  victim.second = second;
  FillSecond(victim);
  return victim;
}

}  // namespace

void AppendTime(base::WallTime time, std::string_view format, bool local, std::string& out) {
  if (format.empty()) format = local ? "%Y-%m-%dT%H:%M:%S.%3f%z" : "%Y-%m-%dT%H:%M:%S.%3fZ";
  const auto second = floor<std::chrono::seconds>(time);
  const auto nanos = static_cast<std::uint64_t>(duration_cast<nanoseconds>(time - second).count());
  const FormattedSecond& formatted = Cached(format, local, second.time_since_epoch().count());
  for (const FormattedSecond::Piece& piece : formatted.pieces) {
    out += piece.text;
    if (piece.digits != 0) AppendFraction(nanos, piece.digits, out);
  }
}

void AppendIsoTime(base::WallTime time, std::string& out) { AppendTime(time, "", false, out); }

}  // namespace sluice::observe
