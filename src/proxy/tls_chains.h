#pragma once
// The TLS contexts of a listener, by the key of their filter chain. Values; built on main, read by
// workers.

#include <memory>

#include "base/strings.h"

namespace sluice::net {
class TlsServerContext;
}

namespace sluice::proxy {

// Null: the chain has TLS, but a secret of it is not there yet, so it must not serve.
using TlsChains = base::StringMap<std::shared_ptr<const net::TlsServerContext>>;

}  // namespace sluice::proxy
