#pragma once
// Broken invariants end the process: a fast restart beats a wrong answer. Bad input is never a
// check.

#include <cstdio>
#include <cstdlib>

namespace sluice::base {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace sluice::base

#define SLUICE_CHECK(condition)                      \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::sluice::base::CheckFailed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define SLUICE_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define SLUICE_DCHECK(condition) SLUICE_CHECK(condition)
#endif
