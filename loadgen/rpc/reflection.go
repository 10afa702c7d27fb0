package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/scenarios"
)

// reflectionTimeout bounds the questions to a service for its methods.
const reflectionTimeout = 10 * time.Second

// Resolve is a plan whose calls have methods: it asks the service at target, by reflection, for those that the plan has
// no descriptors of. Errors about what the scenario file has are of type [scenarios.Errors].
func Resolve(ctx context.Context, plan *scenarios.Plan, to *connect.To, target string) (*scenarios.Plan, error) {
	if !slices.ContainsFunc(plan.Calls(), func(q *scenarios.Request) bool { return q.Call.Of == nil }) {
		return plan, nil
	}
	plan = plan.WithOwnCalls()
	ctx, cancel := context.WithTimeout(ctx, reflectionTimeout)
	defer cancel()
	var at place
	places, err := to.Places(ctx, []string{target})
	if err == nil {
		err = at.connect(ctx, to, places[0], hostOf(plan.Calls()[0]))
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", target, err)
	}
	r := &reflected{connection: at.connections[0], prefix: at.prefix, known: map[string]bool{}}
	defer r.connection.Close()
	err = r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its methods by reflection: %w; %s", target, err, noReflection)
	}
	var faults scenarios.Errors
	for _, q := range plan.Calls() {
		if q.Call.Of != nil {
			continue
		}
		wrong, err := r.resolve(q)
		if err != nil {
			return nil, fmt.Errorf("ask %s for %s by reflection: %w; %s", target, q.Call.Service, err, noReflection)
		}
		faults = append(faults, wrong...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return plan, nil
}

// hostOf is the header Host that the section http gives all requests; empty: none.
func hostOf(q *scenarios.Request) string {
	for _, h := range q.Headers {
		if h.Name == "Host" {
			return h.Value.Text()
		}
	}
	return ""
}

const noReflection = "a service without it needs grpc: {descriptors: FILE} in the scenario file"

// reflected is a service that is asked for its descriptors.
type reflected struct {
	connection *grpc.ClientConn
	prefix     string
	stream     grpc.ClientStream
	services   []string
	files      []*descriptorpb.FileDescriptorProto
	known      map[string]bool // files by name, and services that were asked for
}

// open asks for the services, by the first version of reflection that is there.
func (r *reflected) open(ctx context.Context) error {
	var err error
	for _, version := range []string{"v1", "v1alpha"} { // whose messages are the same
		r.stream, err = r.connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
			r.prefix+"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
		if err == nil {
			err = r.list()
		}
		if status.Code(err) != codes.Unimplemented {
			return err
		}
	}
	return err
}

func (r *reflected) list() error {
	answer, err := r.ask(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	for _, s := range answer.GetListServicesResponse().GetService() {
		r.services = append(r.services, s.GetName())
	}
	return err
}

// ask sends a question and takes the answer to it.
func (r *reflected) ask(question *reflection.ServerReflectionRequest) (*reflection.ServerReflectionResponse, error) {
	wire, err := proto.Marshal(question)
	if err == nil {
		err = r.stream.SendMsg(wire) // io.EOF says that the answer has the reason
	}
	got := received{keep: true}
	wrong := r.stream.RecvMsg(&got)
	if wrong != nil {
		return nil, wrong
	}
	if err != nil {
		return nil, err
	}
	answer := &reflection.ServerReflectionResponse{}
	err = proto.Unmarshal(got.content, answer)
	if err != nil {
		return nil, err
	}
	if e := answer.GetErrorResponse(); e != nil {
		return answer, status.Error(codes.Code(e.GetErrorCode()), e.GetErrorMessage())
	}
	return answer, nil
}

// resolve looks up the method of a call.
func (r *reflected) resolve(q *scenarios.Request) (scenarios.Errors, error) {
	service := q.Call.Service
	if slices.Contains(r.services, service) && !r.known[service] {
		r.known[service] = true
		err := r.fetch(&reflection.ServerReflectionRequest{
			MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
		})
		if err != nil {
			return nil, err
		}
	}
	files, err := scenarios.NewFiles(r.files)
	if err != nil {
		return nil, fmt.Errorf("the descriptors do not fit together: %w", err)
	}
	return q.Resolve(files, r.services), nil
}

// mostFiles bounds the files that a service may have its descriptors in.
const mostFiles = 10_000

// fetch asks for a file, and for all that it imports.
func (r *reflected) fetch(question *reflection.ServerReflectionRequest) error {
	answer, err := r.ask(question)
	if err != nil {
		return err
	}
	begin := len(r.files)
	for _, wire := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		err := proto.Unmarshal(wire, file)
		if err != nil {
			return fmt.Errorf("read a descriptor: %w", err)
		}
		if !r.known[file.GetName()] {
			r.known[file.GetName()] = true
			r.files = append(r.files, file)
		}
	}
	if len(r.files) > mostFiles {
		return errors.New("there are too many files")
	}
	for _, file := range r.files[begin:] {
		for _, name := range file.GetDependency() {
			if r.known[name] {
				continue
			}
			err := r.fetch(&reflection.ServerReflectionRequest{
				MessageRequest: &reflection.ServerReflectionRequest_FileByFilename{FileByFilename: name},
			})
			if err != nil && status.Code(err) != codes.NotFound { // what lacks is reported when they are put together
				return err
			}
		}
	}
	return nil
}
