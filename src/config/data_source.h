#pragma once
// Bytes that a resource names: inline, in a file, or in the environment.
//
// Config thread; reads the file there and then. Bounded, regular files only.

#include <cstddef>
#include <optional>
#include <string>

namespace envoy::config::core::v3 {
class DataSource;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// Nullopt after adding an error at the current scope; more than `bytes_max` is one.
std::optional<std::string> ReadDataSource(const envoy::config::core::v3::DataSource& source,
                                          std::size_t bytes_max, base::FieldErrors& errors);

// A regular file of at most `bytes_max` bytes (more: the caller sees what is too long); nullopt
// after adding an error at `filename`.
std::optional<std::string> ReadFile(const std::string& path, std::size_t bytes_max,
                                    base::FieldErrors& errors);

}  // namespace sluice::config
