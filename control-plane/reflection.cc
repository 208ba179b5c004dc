#include "reflection.h"

#include <set>

#include "base/strings.h"
#include "envoy/service/cluster/v3/cds.pb.h"
#include "envoy/service/discovery/v3/ads.pb.h"
#include "envoy/service/endpoint/v3/eds.pb.h"
#include "envoy/service/listener/v3/lds.pb.h"
#include "envoy/service/route/v3/rds.pb.h"
#include "envoy/service/secret/v3/sds.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "xds_methods.h"

namespace sluice::control {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr std::string_view kOthers[] = {"grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
// Fields of the request.
constexpr int kFileByName = 3, kFileOfSymbol = 4, kListServices = 7;
// Fields of the response.
constexpr int kOriginal = 2, kFiles = 4, kServices = 6, kError = 7;
constexpr std::uint64_t kInvalid = 3, kNotFound = 5, kUnimplemented = 12;  // Status codes of gRPC.

void AppendVarint(std::uint64_t value, std::string& out) {
  std::uint8_t bytes[10];
  const std::uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(end - bytes));
}

void AppendBytes(int field, std::string_view value, std::string& out) {
  AppendVarint(WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), out);
  AppendVarint(value.size(), out);
  out += value;
}

void AppendError(std::uint64_t code, std::string_view message, std::string& out) {
  std::string error;
  AppendVarint(WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_VARINT), error);
  AppendVarint(code, error);
  AppendBytes(2, message, error);
  AppendBytes(kError, error, out);
}

// With everything it imports, itself first.
void AppendFile(const FileDescriptor* file, std::set<const FileDescriptor*>& seen,
                std::string& files) {
  if (!seen.insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  AppendBytes(1, proto.SerializeAsString(), files);
  for (int i = 0; i < file->dependency_count(); ++i) AppendFile(file->dependency(i), seen, files);
}

void AnswerFile(const FileDescriptor* file, std::string_view wanted, std::string& out) {
  if (file == nullptr) {
    AppendError(kNotFound, base::Cat("not known: ", base::Printable(wanted, 256)), out);
    return;
  }
  std::set<const FileDescriptor*> seen;
  std::string files;
  AppendFile(file, seen, files);
  AppendBytes(kFiles, files, out);
}

void AnswerServices(std::string& out) {
  std::string services;
  const auto add = [&](std::string_view name) {
    std::string service;
    AppendBytes(1, name, service);
    AppendBytes(1, service, services);
  };
  for (const std::string_view name : kXdsServices) add(name);
  for (const std::string_view name : kOthers) add(name);
  AppendBytes(kServices, services, out);
}

// The linker keeps the files of the services only when something of theirs is used.
const DescriptorPool* Pool() {
  envoy::service::discovery::v3::AdsDummy::descriptor();
  envoy::service::cluster::v3::CdsDummy::descriptor();
  envoy::service::endpoint::v3::EdsDummy::descriptor();
  envoy::service::listener::v3::LdsDummy::descriptor();
  envoy::service::route::v3::RdsDummy::descriptor();
  envoy::service::secret::v3::SdsDummy::descriptor();
  return DescriptorPool::generated_pool();
}

}  // namespace

bool IsReflection(std::string_view method) {
  return method == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" ||
         method == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
}

std::string ReflectionAnswer(std::string_view request) {
  std::string out;
  AppendBytes(kOriginal, request, out);
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(request.data()),
                      static_cast<int>(request.size()));
  int field = 0;
  std::string value;
  for (std::uint32_t tag = in.ReadTag(); tag != 0; tag = in.ReadTag()) {
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    if (number < kFileByName || number > kListServices || number == 5) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      if (number == 5) field = number;
      continue;
    }
    if (!WireFormatLite::ReadString(&in, &value)) break;
    field = number;
  }
  if (field == kListServices) {
    AnswerServices(out);
  } else if (field == kFileByName) {
    AnswerFile(Pool()->FindFileByName(value), value, out);
  } else if (field == kFileOfSymbol) {
    AnswerFile(Pool()->FindFileContainingSymbol(value), value, out);
  } else if (field == 0) {
    AppendError(kInvalid, "no question that is known", out);
  } else {
    AppendError(kUnimplemented, "there are no extensions to look for", out);
  }
  return out;
}

}  // namespace sluice::control
