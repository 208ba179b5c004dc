// xDS over TLS, on loopback.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/clock.h"
#include "control-plane/ads_server.h"
#include "harness/certificates.h"
#include "harness/eventually.h"
#include "harness/proxy.h"

namespace sluice::control {
namespace {

using harness::CertificateAuthority;
using harness::Identity;

struct Files {
  explicit Files(const Identity& identity, const std::string& client_ca) {
    Write(identity);
    harness::WriteFile(tls.client_ca_file = directory + "/ca.pem", client_ca);
  }
  void Write(const Identity& identity) {
    harness::WriteFile(tls.certificate_file = directory + "/cert.pem", identity.certificate_pem);
    harness::WriteFile(tls.key_file = directory + "/key.pem", identity.private_key_pem);
  }
  std::string directory = harness::MakeDirectory();
  AdsTls tls;
};

class Served {
 public:
  explicit Served(const AdsTls& tls) {
    std::promise<absl::StatusOr<base::Address>> started;
    thread_ = std::thread([this, &tls, &started] {
      AdsServer server({.address = *base::Address::ParseIp("127.0.0.1", 0), .tls = tls}, loop_);
      const auto address = server.Start();
      started.set_value(address);
      if (address.ok()) loop_.Run();
      server.Stop();
    });
    address = started.get_future().get();
  }
  ~Served() {
    loop_.Stop();
    thread_.join();
  }
  absl::StatusOr<base::Address> address = absl::UnknownError("");

 private:
  net::Loop loop_{base::SystemClock()};
  std::thread thread_;
};

// A health check by a client that trusts `ca` and shows `identity`.
grpc::Status Check(const Served& served, const std::string& ca, const Identity& identity) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto channel = grpc::CreateCustomChannel(
      served.address->ToString(),
      grpc::SslCredentials({ca, identity.private_key_pem, identity.certificate_pem}), arguments);
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC, channel);
  grpc::ClientContext context;
  context.set_deadline(base::SystemClock().WallNow() + std::chrono::seconds(10));
  grpc::ByteBuffer request, answer;
  const grpc::Slice empty;
  request = grpc::ByteBuffer(&empty, 1);
  return grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
      channel.get(), method, &context, request, &answer);
}

TEST(AdsTls, ClientsMustShowACertificateWhenAnAuthorityIsGiven) {
  const CertificateAuthority ca, others("Others");
  const Identity server = ca.Issue({"IP:127.0.0.1"}), client = ca.Issue({"DNS:proxy"});
  Files files(server, ca.pem());
  Served served(files.tls);
  ASSERT_TRUE(served.address.ok()) << served.address.status();
  const grpc::Status known = Check(served, ca.pem(), client);
  EXPECT_TRUE(known.ok()) << known.error_message();
  EXPECT_FALSE(Check(served, ca.pem(), {}).ok());
  EXPECT_FALSE(Check(served, ca.pem(), others.Issue({"DNS:proxy"})).ok());
  EXPECT_FALSE(Check(served, others.pem(), client).ok());  // It checks the server, too.
}

TEST(AdsTls, NewCertificatesAreUsedWithoutARestart) {
  const CertificateAuthority first("First"), second("Second");
  Files files(first.Issue({"IP:127.0.0.1"}), "");
  files.tls.client_ca_file.clear();
  Served served(files.tls);
  ASSERT_TRUE(served.address.ok()) << served.address.status();
  ASSERT_TRUE(Check(served, first.pem(), {}).ok());
  files.Write(second.Issue({"IP:127.0.0.1"}));
  EXPECT_TRUE(harness::Eventually([&] { return Check(served, second.pem(), {}).ok(); }));
}

TEST(AdsTls, WrongFilesAreToldAtStart) {
  const CertificateAuthority ca;
  const Identity one = ca.Issue({"IP:127.0.0.1"}), other = ca.Issue({"IP:127.0.0.1"});
  EXPECT_FALSE(
      Served(Files({one.certificate_pem, other.private_key_pem}, ca.pem()).tls).address.ok());
  EXPECT_FALSE(Served(Files({"no PEM", one.private_key_pem}, ca.pem()).tls).address.ok());
  EXPECT_FALSE(Served(Files(one, "no PEM").tls).address.ok());
  AdsTls missing{"/does/not/exist", "/does/not/exist", ""};
  EXPECT_FALSE(Served(missing).address.ok());
}

}  // namespace
}  // namespace sluice::control
