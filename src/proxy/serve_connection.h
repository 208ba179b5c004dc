#pragma once
// One client connection, from accept to close.
//
// Worker's thread only. The connection owns itself: it is deleted when its coroutine has ended.
// WorkerContext visits all of them to drain and close.

#include <memory>

#include "config/listener.h"
#include "net/stream.h"
#include "observe/stats.h"
#include "proxy/worker_context.h"

namespace sluice::proxy {

// Serves `stream` until either side ends it. Requests use the listener of the same name
// in the worker's current snapshot, each the newest; `listener` counts while there is none.
// `stats` outlives the connection.
void StartConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                     std::shared_ptr<const config::Listener> listener,
                     observe::ListenerStats& stats);

}  // namespace sluice::proxy
