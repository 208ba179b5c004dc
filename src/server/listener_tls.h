#pragma once
// main: the TLS contexts of listeners, rebuilt when their secrets change, and handed to workers.
// New handshakes take the newest; open connections keep theirs.
//
// Main's loop only, but View(), which any thread may take.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/strings.h"
#include "config/snapshot.h"
#include "net/tls_server.h"
#include "server/secret_files.h"
#include "server/worker.h"

namespace sluice::server {

// For /certs: what a chain shows and whom it trusts.
struct ListenerCertificates {
  std::string listener;
  std::vector<std::shared_ptr<const config::Secret>> certificates;
  std::string ca_pem;
};
using ListenerCertificatesView = std::vector<ListenerCertificates>;

class ListenerTls {
 public:
  // `static_secrets` are found where the snapshot has none of the name.
  ListenerTls(SecretFiles& files, std::vector<std::unique_ptr<Worker>>& workers,
              const std::vector<std::shared_ptr<const config::Secret>>& static_secrets);
  ~ListenerTls();

  // Before the workers accept for this version of the listener.
  void Set(const std::shared_ptr<const config::Listener>& listener,
           const config::Snapshot& snapshot);
  void Remove(std::string_view listener);
  // Secrets may be others than before.
  void Refresh(const config::Snapshot& snapshot);

  std::shared_ptr<const ListenerCertificatesView> View() const;

 private:
  struct Chain;
  struct Entry;
  // Whether the contexts are others than before.
  bool Build(Entry& entry, const config::Snapshot& snapshot);
  std::shared_ptr<const config::Secret> Find(const config::SecretRef& ref,
                                             const config::Snapshot& snapshot);
  bool Resolve(const config::DownstreamTls& tls, const config::Snapshot& snapshot, Chain& out);
  void Send(const Entry& entry);
  void PublishView();

  SecretFiles& files_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  base::StringMap<std::shared_ptr<const config::Secret>> static_secrets_;
  base::StringMap<std::unique_ptr<Entry>> entries_;
  mutable base::Mutex view_mutex_;
  std::shared_ptr<const ListenerCertificatesView> view_ SLUICE_GUARDED_BY(view_mutex_);
};

}  // namespace sluice::server
