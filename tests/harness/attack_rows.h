#pragma once
// The tables of attack_test: bytes that a proxy must refuse, and bytes that only look odd.
//
// Built once per call. A request's row puts its name into the target, so that any trace of it at
// the origin is found.

#include <optional>
#include <string>
#include <vector>

namespace sluice::harness {

// How far a refused request may come. Bodies are streamed: what is wrong in one shows when its head
// is at the origin already, and then the origin must see it cut short.
enum class Reach { kNothing, kHead };

struct RequestRow {
  std::string name;
  std::string bytes;
  int status = 400;
  Reach reach = Reach::kNothing;
};
// Stands in the target of the row.
std::string Marker(const std::string& name);
std::vector<RequestRow> RequestRows();

struct HarmlessRow {
  std::string name;
  std::string bytes;
  std::string method;
  std::string target;
  std::string body;
  std::vector<std::string> absent;  // Not in the head that the origin sees.
};
std::vector<HarmlessRow> HarmlessRows();

enum class Then { kStay, kClose, kReset };

struct ResponseRow {
  std::string name;
  std::string bytes;        // What the origin says.
  int status = 502;         // What the client sees.
  Then then = Then::kStay;  // What the origin does afterwards.
  bool complete = true;     // The client's answer is whole; else cut short, visibly.
  std::optional<std::string> body{};
  std::string method = "GET";
};
std::vector<ResponseRow> ResponseRows();

}  // namespace sluice::harness
