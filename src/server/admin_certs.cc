// /certs: the certificates that listeners and clusters are configured with. envoy-behaviour.md 5.7.
#include <algorithm>

#include "observe/time_format.h"
#include "server/admin_handlers.h"
#include "server/json_writer.h"

namespace sluice::server {
namespace {

using config::CertificateInfo;

constexpr std::size_t kPieceBytes = 48 * 1024;

std::string Iso(base::WallTime time) {
  std::string out;
  observe::AppendIsoTime(time, out);
  return out;
}

std::string_view KindName(CertificateInfo::NameKind kind) {
  switch (kind) {
    case CertificateInfo::NameKind::kDns:
      return "dns";
    case CertificateInfo::NameKind::kUri:
      return "uri";
    case CertificateInfo::NameKind::kIpAddress:
      return "ip_address";
  }
  return "";
}

// One entry per cluster with TLS, one cluster at a time.
class CertsWriter {
 public:
  explicit CertsWriter(const AdminSources& sources) : now_(sources.clock.WallNow()), json_(&text_) {
    sources.clusters()->ForEach([&](std::string_view, const auto& view) {
      if (view->config->tls) clusters_.push_back(view->config);
    });
    std::ranges::sort(clusters_, {},
                      [](const auto& cluster) -> const std::string& { return cluster->name; });
    if (sources.listener_certificates) listeners_ = sources.listener_certificates();
  }

  bool Next(std::string& chunk) {
    json_.set_out(&chunk);
    if (next_ == 0 && !begun_) {
      json_.OpenObject();
      json_.OpenList("certificates");
      begun_ = true;
    }
    while (chunk.size() < kPieceBytes) {
      if (listeners_ != nullptr && next_listener_ < listeners_->size()) {
        WriteListener((*listeners_)[next_listener_++]);
        continue;
      }
      if (next_ == clusters_.size()) {
        json_.Close();
        json_.Close();
        return false;
      }
      const config::Cluster& cluster = *clusters_[next_++];
      json_.OpenObject();
      const std::string path = base::Cat("<cluster ", cluster.name, ">");
      Write("ca_cert", path, {cluster.tls->ca_pem});
      Write("cert_chain", path, {cluster.tls->certificate_pem});
      json_.Close();
    }
    return true;
  }

 private:
  // Many clusters trust the same bundle: the last one read is kept.
  const std::vector<CertificateInfo>& Read(const std::string& pem) {
    if (last_pem_ != pem) {
      last_ = config::DescribeCertificates(pem);
      last_pem_ = pem;
    }
    return last_;
  }

  void WriteListener(const ListenerCertificates& shown) {
    json_.OpenObject();
    const std::string path = base::Cat("<listener ", shown.listener, ">");
    Write("ca_cert", path, {shown.ca_pem});
    std::vector<std::string> chains;
    for (const auto& secret : shown.certificates) {
      chains.push_back(std::get<config::TlsCertificate>(secret->value).chain_pem);
    }
    Write("cert_chain", path, chains);
    json_.Close();
  }

  void Write(std::string_view field, const std::string& path,
             const std::vector<std::string>& pems) {
    json_.OpenList(field);
    for (const std::string& pem : pems) WriteAll(path, pem);
    json_.Close();
  }

  void WriteAll(const std::string& path, const std::string& pem) {
    for (const CertificateInfo& info : Read(pem)) {
      json_.OpenObject();
      json_.Member("path", path);
      json_.Member("serial_number", info.serial);
      json_.Member("subject", info.subject);
      json_.OpenList("subject_alt_names");
      for (const auto& [kind, name] : info.subject_alt_names) {
        json_.OpenObject();
        json_.Member(KindName(kind), name);
        json_.Close();
      }
      json_.Close();
      json_.Member("days_until_expiration", base::Cat(DaysUntil(info.expires, now_)));
      json_.Member("valid_from", Iso(info.valid_from));
      json_.Member("expiration_time", Iso(info.expires));
      json_.Close();
    }
  }

  const base::WallTime now_;
  std::vector<std::shared_ptr<const config::Cluster>> clusters_;
  std::shared_ptr<const ListenerCertificatesView> listeners_;
  std::size_t next_listener_ = 0;
  std::size_t next_ = 0;
  bool begun_ = false;
  std::string text_;
  JsonWriter json_;
  std::string last_pem_;
  std::vector<CertificateInfo> last_;
};

}  // namespace

web::WebResponse HandleCerts(AdminSources& sources, const web::WebRequest&) {
  web::WebResponse response = AdminJson("");
  response.chunks = [writer = std::make_shared<CertsWriter>(sources)](std::string& chunk) {
    return writer->Next(chunk);
  };
  return response;
}

}  // namespace sluice::server
