// A management server on go-control-plane, for tests of its clients: every version has clusters and
// a route table with names of their own, and answers tell which version routed them.
//
//	manager -mode ads|delta-ads|separate|delta|rest -xds PORT -http PORT -listen PORT -backends A,B
//
// POST /version?n=7 on the -http port makes version 7 current, with &clusters-first only its clusters; GET /status tells what clients
// acknowledged and refused; REST discovery is served there too.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

var (
	mode     = flag.String("mode", "ads", "ads, delta-ads, separate, delta or rest")
	xdsPort  = flag.Int("xds", 0, "gRPC port")
	httpPort = flag.Int("http", 0, "port of control and REST discovery")
	listen   = flag.Int("listen", 0, "port of the proxy's listener")
	backends = flag.String("backends", "", "ports of backends; versions take turns")
	cert     = flag.String("cert", "", "PEM certificate; the listener speaks TLS then, its secret comes over SDS")
	key      = flag.String("key", "", "PEM key")
)

// A fleet of one: whoever connects gets the same.
type everyone struct{}

func (everyone) ID(*core.Node) string { return "all" }

func pack(message proto.Message) *anypb.Any {
	packed, err := anypb.New(message)
	if err != nil {
		log.Fatal(err)
	}
	return packed
}

// Where a resource says that more comes from.
func source() *core.ConfigSource {
	config := &core.ConfigSource{ResourceApiVersion: core.ApiVersion_V3, InitialFetchTimeout: durationpb.New(0)}
	api := func(kind core.ApiConfigSource_ApiType) {
		service := &core.GrpcService{TargetSpecifier: &core.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &core.GrpcService_EnvoyGrpc{ClusterName: "xds"}}}
		source := &core.ApiConfigSource{ApiType: kind, TransportApiVersion: core.ApiVersion_V3}
		if kind == core.ApiConfigSource_REST {
			source.ClusterNames = []string{"rest"}
			source.RefreshDelay = durationpb.New(200 * time.Millisecond)
		} else {
			source.GrpcServices = []*core.GrpcService{service}
		}
		config.ConfigSourceSpecifier = &core.ConfigSource_ApiConfigSource{ApiConfigSource: source}
	}
	switch *mode {
	case "separate":
		api(core.ApiConfigSource_GRPC)
	case "delta":
		api(core.ApiConfigSource_DELTA_GRPC)
	case "rest":
		api(core.ApiConfigSource_REST)
	default:
		config.ConfigSourceSpecifier = &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}}
	}
	return config
}

func address(port int) *core.Address {
	return &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(port)}}}}
}

func clusterOf(version int) (types.Resource, types.Resource) {
	name := fmt.Sprintf("cluster-%d", version)
	ports := strings.Split(*backends, ",")
	port, _ := strconv.Atoi(ports[version%len(ports)])
	return &cluster.Cluster{
			Name: name, ConnectTimeout: durationpb.New(5 * time.Second),
			ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
			EdsClusterConfig:     &cluster.Cluster_EdsClusterConfig{EdsConfig: source()},
		}, &endpoint.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpoint.LocalityLbEndpoints{{LbEndpoints: []*endpoint.LbEndpoint{{
				HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: address(port)}}}}}},
		}
}

func routesOf(version int) types.Resource {
	stamp := &core.HeaderValueOption{
		Header:       &core.HeaderValue{Key: "x-version", Value: strconv.Itoa(version)},
		AppendAction: core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
	return &route.RouteConfiguration{
		Name: fmt.Sprintf("routes-%d", version),
		VirtualHosts: []*route.VirtualHost{{
			Name: "all", Domains: []string{"*"}, ResponseHeadersToAdd: []*core.HeaderValueOption{stamp},
			Routes: []*route.Route{{
				Match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}},
				Action: &route.Route_Route{Route: &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{
					Cluster: fmt.Sprintf("cluster-%d", version)}}},
			}},
		}},
	}
}

func listenerOf(version int) types.Resource {
	manager := &hcm.HttpConnectionManager{
		StatPrefix: "in",
		RouteSpecifier: &hcm.HttpConnectionManager_Rds{Rds: &hcm.Rds{
			ConfigSource: source(), RouteConfigName: fmt.Sprintf("routes-%d", version)}},
		HttpFilters: []*hcm.HttpFilter{{Name: "envoy.filters.http.router",
			ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: pack(&router.Router{})}}},
	}
	chain := &listener.FilterChain{Filters: []*listener.Filter{{Name: "envoy.filters.network.http_connection_manager",
		ConfigType: &listener.Filter_TypedConfig{TypedConfig: pack(manager)}}}}
	if *cert != "" {
		context := &tls.DownstreamTlsContext{CommonTlsContext: &tls.CommonTlsContext{
			TlsCertificateSdsSecretConfigs: []*tls.SdsSecretConfig{{Name: "site", SdsConfig: source()}}}}
		chain.TransportSocket = &core.TransportSocket{Name: "envoy.transport_sockets.tls",
			ConfigType: &core.TransportSocket_TypedConfig{TypedConfig: pack(context)}}
	}
	return &listener.Listener{Name: "in", Address: address(*listen), FilterChains: []*listener.FilterChain{chain}}
}

func secrets() []types.Resource {
	if *cert == "" {
		return nil
	}
	file := func(path string) *core.DataSource {
		text, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: text}}
	}
	return []types.Resource{&tls.Secret{Name: "site", Type: &tls.Secret_TlsCertificate{
		TlsCertificate: &tls.TlsCertificate{CertificateChain: file(*cert), PrivateKey: file(*key)}}}}
}

// The clusters of two versions before stay: routes of connections of then may still name them. `routed` is the version of
// listener and routes: the one before, until the new clusters have been taken.
func snapshotOf(version, routed int) *cache.Snapshot {
	var clusters, endpoints []types.Resource
	for v := max(1, version-2); v <= version; v++ {
		c, e := clusterOf(v)
		clusters, endpoints = append(clusters, c), append(endpoints, e)
	}
	routes := []types.Resource{routesOf(routed)}
	if routed > 1 && *mode != "ads" && *mode != "delta-ads" {
		routes = append(routes, routesOf(routed-1)) // A listener of the version before may still ask.
	}
	snapshot, err := cache.NewSnapshot(fmt.Sprintf("%d.%d", version, routed), map[resource.Type][]types.Resource{
		resource.ClusterType: clusters, resource.EndpointType: endpoints, resource.RouteType: routes,
		resource.ListenerType: {listenerOf(routed)}, resource.SecretType: secrets(),
	})
	if err != nil {
		log.Fatal(err)
	}
	return snapshot
}

// What clients said.
type status struct {
	mutex    sync.Mutex
	Requests int               `json:"requests"`
	Nacks    []string          `json:"nacks"`
	Acked    map[string]string `json:"acked"` // Type to version, state of the world only.
}

func (s *status) request(kind, version string, refusal string, answered bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.Requests++
	if refusal != "" {
		s.Nacks = append(s.Nacks, kind+": "+refusal)
	} else if answered {
		s.Acked[kind[strings.LastIndex(kind, ".")+1:]] = version
	}
}

func main() {
	flag.Parse()
	aggregated := *mode == "ads" || *mode == "delta-ads"
	snapshots := cache.NewSnapshotCache(aggregated, everyone{}, nil)
	seen := &status{Acked: map[string]string{}}
	callbacks := server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, r *discovery.DiscoveryRequest) error {
			seen.request(r.TypeUrl, r.VersionInfo, r.GetErrorDetail().GetMessage(), r.ResponseNonce != "")
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, r *discovery.DeltaDiscoveryRequest) error {
			seen.request(r.TypeUrl, "", r.GetErrorDetail().GetMessage(), false)
			return nil
		},
		FetchRequestFunc: func(_ context.Context, r *discovery.DiscoveryRequest) error {
			seen.request(r.TypeUrl, r.VersionInfo, r.GetErrorDetail().GetMessage(), true)
			return nil
		},
	}
	xds := server.NewServer(context.Background(), snapshots, callbacks)
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
	clusterservice.RegisterClusterDiscoveryServiceServer(grpcServer, xds)
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, xds)
	listenerservice.RegisterListenerDiscoveryServiceServer(grpcServer, xds)
	routeservice.RegisterRouteDiscoveryServiceServer(grpcServer, xds)
	secretservice.RegisterSecretDiscoveryServiceServer(grpcServer, xds)
	socket, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *xdsPort))
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(grpcServer.Serve(socket)) }()

	gateway := server.HTTPGateway{Server: xds}
	http.HandleFunc("/v3/", func(w http.ResponseWriter, r *http.Request) {
		body, code, err := gateway.ServeHTTP(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if err == nil {
			w.Write(body)
		}
	})
	http.HandleFunc("/version", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		routed := n
		if r.URL.Query().Has("clusters-first") {
			routed--
		}
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), "all", snapshotOf(n, routed))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	http.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		seen.mutex.Lock()
		defer seen.mutex.Unlock()
		json.NewEncoder(w).Encode(seen)
	})
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *httpPort), nil))
}
