// Runs a fuzz target without libFuzzer: every file of the corpus directories given as arguments,
// then a fixed number of mutations of them, the same ones on every run and machine.
//
// In ctest this keeps every input that ever broke something fixed. A missing or empty corpus is a
// failure. When an input crashes the target, it is printed before the process dies.

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/clock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Present in sanitizer builds only.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizers' name.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr int kMutations = 5000;
constexpr std::size_t kInputBytesMax = 65536;
constexpr std::size_t kPrintedBytesMax = 4096;

std::string_view running;  // NOLINT: what the handlers below print.

void PrintRunning() {
  std::fprintf(stderr, "input (%zu bytes): \"", running.size());
  for (const char c : running.substr(0, kPrintedBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      std::fputc(byte, stderr);
    } else {
      std::fprintf(stderr, "\\%03o", byte);
    }
  }
  std::fputs("\"\n", stderr);
}

void OnAbort(int signal_number) {
  PrintRunning();
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void RunOne(const std::string& input) {
  running = input;
  // An exact copy on the heap, so that a read past its end is seen.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::vector<std::string> ReadCorpus(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());  // The mutations depend on the order.
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

// Not std::uniform_int_distribution, whose values differ between libraries.
std::size_t Below(std::mt19937_64& random, std::size_t bound) {
  return bound == 0 ? 0 : static_cast<std::size_t>(random() % bound);
}

char InterestingByte(std::mt19937_64& random) {
  static constexpr char kBytes[] = "\r\n\t :;,=/?#%\"\\{}[]-+.09aAfF\x7f\x80\xff\0\x01";
  return kBytes[Below(random, sizeof(kBytes) - 1)];
}

void MutateOnce(std::string& input, const std::string& other, std::mt19937_64& random) {
  const std::size_t at = Below(random, input.size() + 1);
  const std::size_t length = Below(random, std::min<std::size_t>(64, input.size() - at + 1));
  switch (Below(random, 7)) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << Below(random, 8)));
      break;
    case 1:
      if (at < input.size()) input[at] = InterestingByte(random);
      break;
    case 2:
      input.insert(at, 1 + Below(random, 4), InterestingByte(random));
      break;
    case 3:
      input.erase(at, length);
      break;
    case 4:
      input.insert(at, input.substr(at, length));
      break;
    case 5:
      input.resize(at);
      break;
    default: {
      const std::size_t from = Below(random, other.size() + 1);
      input.insert(at, other, from, Below(random, 256));
      break;
    }
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus;
  for (int i = 1; i < argc; ++i) {
    for (std::string& input : ReadCorpus(argv[i])) corpus.push_back(std::move(input));
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "no corpus: %s\n", argc > 1 ? argv[1] : "name its directory");
    return EXIT_FAILURE;
  }
  std::signal(SIGABRT, OnAbort);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(PrintRunning);

  const sluice::base::Clock& clock = sluice::base::SystemClock();
  const auto start = clock.Now();
  RunOne("");
  for (const std::string& input : corpus) RunOne(input);
  std::mt19937_64 random(20221014);  // NOLINT: the same inputs every time are the point.
  for (int i = 0; i < kMutations; ++i) {
    std::string input = corpus[Below(random, corpus.size())];
    const std::string& other = corpus[Below(random, corpus.size())];
    const std::size_t steps = 1 + Below(random, 4);
    for (std::size_t step = 0; step < steps; ++step) MutateOnce(input, other, random);
    RunOne(input);
  }
  const double runs = static_cast<double>(corpus.size()) + kMutations + 1;
  const double seconds = std::chrono::duration<double>(clock.Now() - start).count();
  std::printf("%zu corpus files, %d mutations, %.0f runs/s\n", corpus.size(), kMutations,
              runs / std::max(seconds, 1e-6));
  return EXIT_SUCCESS;
}
