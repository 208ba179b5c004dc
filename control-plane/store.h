#pragma once
// The configuration of now, durable: written and fsynced before a change is answered.
//
// The control plane's loop only.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apps.h"
#include "base/field_errors.h"
#include "snapshot.h"

namespace sluice::control {

struct StoredConfig {
  AppsConfig config;
  std::string etag;  // Quoted, strong: a hash of the content.
  std::shared_ptr<const Snapshot> snapshot;
};

class Store {
 public:
  // `data_dir` "": nothing is kept. `changed` runs after every change, with the new value.
  Store(std::string data_dir, std::function<void(const StoredConfig&)> changed);

  // What was kept in data_dir, and what CA files held when they were read last; NotFound when
  // nothing was, and an error that names the file when it is damaged (the file is set aside, never
  // overwritten).
  absl::Status Load();
  const StoredConfig& current() const { return current_; }

  // Checks, compiles, writes, then makes it current. On any error nothing changes.
  // `if_match`: "" or "*" for any; else FailedPrecondition when it is not the current ETag.
  absl::Status Replace(AppsConfig config, std::string_view if_match);
  // The same from a function over a copy: small edits. `edit` may refuse.
  absl::Status Edit(const std::function<absl::Status(AppsConfig&)>& edit,
                    std::string_view if_match);
  // Every error of the last Replace() or Edit() that failed with InvalidArgument.
  const std::vector<base::FieldError>& refusal() const { return refusal_; }

 private:
  absl::Status CheckTag(std::string_view if_match) const;
  absl::Status Write(const StoredConfig& next, const std::string& yaml);
  std::map<std::string, std::string> KeptCaFiles() const;

  std::string data_dir_;
  std::function<void(const StoredConfig&)> changed_;
  StoredConfig current_;
  std::vector<base::FieldError> refusal_;
};

}  // namespace sluice::control
