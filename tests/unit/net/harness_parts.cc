// The parts of the harness that need nothing but net, without the gRPC it links otherwise.

#include <harness/certificates.cc>
#include <harness/dns_server.cc>
