#pragma once
// A tiny DNS server on a loopback UDP port: A and AAAA records that a test changes at run time.
//
// Answers from a thread of its own; every method may be called from any thread.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace sluice::harness {

struct DnsRecords {
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  std::uint32_t ttl_s = 60;
  bool silent = false;  // No answer at all.
  bool broken = false;  // SERVFAIL.
};

class DnsServer {
 public:
  DnsServer();
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  // "127.0.0.1:port", as net::NewResolver takes it.
  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }
  // Names without records are NXDOMAIN. Without final dot, lower case.
  void Set(const std::string& name, DnsRecords records);
  void Remove(const std::string& name);
  int queries() const { return queries_.load(); }

 private:
  void Serve();
  std::string Answer(const std::string& query);

  int fd_ = -1;
  int stop_fd_ = -1;
  std::uint16_t port_ = 0;
  std::string address_;
  std::atomic<int> queries_{0};
  base::Mutex mutex_;
  std::map<std::string, DnsRecords> records_ SLUICE_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace sluice::harness
