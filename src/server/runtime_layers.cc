#include "server/runtime_layers.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace sluice::server {
namespace {

using Kind = config::RuntimeLayerConfig::Kind;
using config::Runtime;

constexpr std::size_t kFilesMax = 10'000;
constexpr std::size_t kFileBytesMax = 64 * 1024;
constexpr int kDepthMax = 16;  // As Envoy's.

// Reads files as keys, those of directories inside with their name and a dot before. "" or why not.
std::string ReadFiles(const std::filesystem::path& directory, const std::string& prefix, int depth,
                      Runtime::Values& out) {
  if (depth > kDepthMax) return base::Cat(directory.string(), ": nested too deeply");
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with('.')) continue;  // As `..data` of a mounted ConfigMap.
    const std::string key = prefix.empty() ? name : base::Cat(prefix, ".", name);
    std::error_code kind;
    if (it->is_directory(kind)) {
      if (std::string wrong = ReadFiles(it->path(), key, depth + 1, out); !wrong.empty()) {
        return wrong;
      }
      continue;
    }
    if (!it->is_regular_file(kind)) continue;  // A FIFO would hold the thread up for ever.
    if (out.size() >= kFilesMax) return base::Cat(directory.string(), ": too many files");
    std::ifstream file(it->path(), std::ios::binary);
    std::string text(kFileBytesMax + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (file.bad() || !file.eof()) {
      return base::Cat(it->path().string(), ": cannot be read, or has more than ", kFileBytesMax,
                       " bytes");
    }
    out[key] = config::ParseRuntimeText(config::RuntimeFileText(text));
  }
  return error ? base::Cat(directory.string(), ": ", error.message()) : "";
}

}  // namespace

RuntimeLayers::RuntimeLayers(Options options)
    : options_(std::move(options)),
      values_(options_.layers.size()),
      readable_(options_.layers.size()),
      watches_(options_.layers.size()) {
  bool ok = true;
  for (std::size_t i = 0; i < options_.layers.size(); ++i) {
    const config::RuntimeLayerConfig& layer = options_.layers[i];
    if (layer.kind == Kind::kStatic) {
      values_[i] = std::make_shared<const Runtime::Values>(layer.values);
    } else if (layer.kind == Kind::kDisk) {
      ok = ReadDisk(i) && ok;
      auto watch =
          net::FileWatch::Open(options_.loop, layer.symlink_root, [this, i] { Load(ReadDisk(i)); });
      if (watch.ok()) {
        watches_[i] = *std::move(watch);
      } else {
        SLUICE_LOG(kWarning, kConfig, "runtime layer ", layer.name, ": ",
                   base::MessageOf(watch.status()));
      }
    }
  }
  Load(ok);
}

// What cannot be read leaves the layer as it was: false.
bool RuntimeLayers::ReadDisk(std::size_t layer) {
  const config::RuntimeLayerConfig& config = options_.layers[layer];
  std::error_code error;
  readable_[layer] = std::filesystem::is_directory(config.directory, error);
  if (!readable_[layer]) {
    values_[layer] = nullptr;
    return true;
  }
  auto values = std::make_shared<Runtime::Values>();
  const std::string wrong = ReadFiles(config.directory, "", 0, *values);
  if (wrong.empty()) {
    values_[layer] = std::move(values);
    return true;
  }
  readable_[layer] = false;
  SLUICE_LOG(kWarning, kConfig, "runtime layer ", config.name, " not read: ", wrong);
  return false;
}

void RuntimeLayers::Load(bool ok) {
  (ok ? options_.stats.load_success : options_.stats.load_error).Add();
  // Envoy's meaning: more than the base directory was there.
  const auto disks = std::count(readable_.begin(), readable_.end(), true);
  (disks > 1 ? options_.stats.override_dir_exists : options_.stats.override_dir_not_exists).Add();
  auto merged = std::make_shared<const Runtime>(config::MergeRuntime(values_));
  options_.stats.num_keys.Set(static_cast<std::int64_t>(merged->values().size()));
  options_.stats.num_layers.Set(static_cast<std::int64_t>(values_.size()));
  const bool first = merged_ == nullptr;
  if (!first && *merged_ == *merged) return;
  merged_ = std::move(merged);
  if (!first) options_.changed();
}

bool RuntimeLayers::Modify(const std::vector<std::pair<std::string, std::string>>& values) {
  for (std::size_t i = 0; i < options_.layers.size(); ++i) {
    if (options_.layers[i].kind != Kind::kAdmin) continue;
    auto next = values_[i] == nullptr ? std::make_shared<Runtime::Values>()
                                      : std::make_shared<Runtime::Values>(*values_[i]);
    for (const auto& [key, text] : values) {
      if (text.empty()) {
        next->erase(key);
      } else {
        next->insert_or_assign(key, config::ParseRuntimeText(text));
      }
    }
    options_.stats.admin_overrides_active.Set(next->empty() ? 0 : 1);
    values_[i] = std::move(next);
    Load(true);
    return true;
  }
  return false;
}

void RuntimeLayers::SetRtds(std::string_view resource,
                            std::shared_ptr<const config::RuntimeLayerValues> values) {
  for (std::size_t i = 0; i < options_.layers.size(); ++i) {
    const config::RuntimeLayerConfig& layer = options_.layers[i];
    if (layer.kind != Kind::kRtds || layer.rtds_name != resource) continue;
    values_[i] = values == nullptr
                     ? nullptr
                     : std::shared_ptr<const Runtime::Values>(values, &values->values);
  }
  Load(true);
}

RuntimeView RuntimeLayers::View() const {
  RuntimeView view{{}, values_, merged_};
  for (const config::RuntimeLayerConfig& layer : options_.layers) view.layers.push_back(layer.name);
  return view;
}

}  // namespace sluice::server
