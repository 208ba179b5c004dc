#include "net/port_holder.h"

#include <dirent.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "base/strings.h"

namespace sluice::net {
namespace {

constexpr std::size_t kLinesMax = 100'000;
constexpr std::size_t kProcessesMax = 100'000;
constexpr std::size_t kDescriptorsMax = 1'000'000;  // In all, so a busy machine costs < 1 s.

// The links of listening sockets of this port: "socket:[12345]".
void CollectListeners(const char* table, std::uint16_t port, base::StringSet& links) {
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  for (std::size_t i = 0; i < kLinesMax && std::getline(file, line); ++i) {
    std::istringstream words(line);
    std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >>
        inode;
    const std::size_t colon = local.rfind(':');
    if (state != "0A" || colon == std::string::npos || inode.empty()) continue;
    unsigned found = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
    if (found == port) links.insert(base::Cat("socket:[", inode, "]"));
  }
}

void CollectUnix(const std::string& path, base::StringSet& links) {
  std::ifstream file("/proc/net/unix");
  std::string line;
  for (std::size_t i = 0; i < kLinesMax && std::getline(file, line); ++i) {
    std::istringstream words(line);
    std::string number, references, protocol, flags, type, state, inode, name;
    words >> number >> references >> protocol >> flags >> type >> state >> inode >> name;
    if (name == path) links.insert(base::Cat("socket:[", inode, "]"));
  }
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool Holds(const std::string& pid, const base::StringSet& links, std::size_t& budget) {
  const std::string path = base::Cat("/proc/", pid, "/fd");
  const Directory directory(opendir(path.c_str()));
  if (directory == nullptr) return false;
  while (const dirent* entry = readdir(directory.get())) {
    if (budget == 0) return false;
    --budget;
    char target[64];
    const ssize_t size =
        readlink(base::Cat(path, "/", entry->d_name).c_str(), target, sizeof(target));
    if (size > 0 && links.contains(std::string_view(target, static_cast<std::size_t>(size)))) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string PortHolder(const base::Address& address) {
  base::StringSet links;
  if (address.is_ip()) {
    CollectListeners("/proc/net/tcp", address.port(), links);
    CollectListeners("/proc/net/tcp6", address.port(), links);
  } else {
    CollectUnix(address.IpText(), links);
  }
  if (links.empty()) return "";
  const Directory processes(opendir("/proc"));
  if (processes == nullptr) return "";
  std::size_t budget = kDescriptorsMax;
  for (std::size_t i = 0; i < kProcessesMax && budget > 0; ++i) {
    const dirent* entry = readdir(processes.get());
    if (entry == nullptr) break;
    const std::string pid = entry->d_name;
    if (!base::ParseUint(pid) || !Holds(pid, links, budget)) continue;
    std::ifstream comm(base::Cat("/proc/", pid, "/comm"));
    std::string program;
    std::getline(comm, program);
    return base::Cat("pid ", pid, program.empty() ? "" : ", ", base::Printable(program));
  }
  return "";
}

}  // namespace sluice::net
