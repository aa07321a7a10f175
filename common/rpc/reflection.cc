#include "common/rpc/reflection.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/proto_call.h"
#include "common/rpc/service_names.h"
#include "grpc/reflection/v1/reflection.pb.h"

namespace mansio::rpc {
namespace {

namespace reflection = grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

constexpr std::string_view kPaths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void SetNotFound(std::string what, reflection::ServerReflectionResponse* response) {
  auto* error = response->mutable_error_response();
  error->set_error_code(static_cast<int>(absl::StatusCode::kNotFound));
  error->set_error_message(std::move(what));
}

class ReflectionStream final : public ParsedBidiEvents<reflection::ServerReflectionRequest> {
 public:
  ReflectionStream(std::shared_ptr<BidiCall> call,
                   std::shared_ptr<const std::set<std::string>> services)
      : ParsedBidiEvents(std::move(call)), services_(std::move(services)) {}

  void OnElement(reflection::ServerReflectionRequest request) override {
    reflection::ServerReflectionResponse response;
    response.set_valid_host(request.host());
    Fill(request, &response);
    *response.mutable_original_request() = std::move(request);
    Write(*call(), response);
  }
  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }
  void OnClosed() override {}

 private:
  using Request = reflection::ServerReflectionRequest;

  void Fill(const Request& request, reflection::ServerReflectionResponse* response) {
    switch (request.message_request_case()) {
      case Request::kFileByFilename:
        return AddFile(Pool().FindFileByName(request.file_by_filename()),
                       request.file_by_filename(), response);
      case Request::kFileContainingSymbol:
        return AddFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()),
                       request.file_containing_symbol(), response);
      case Request::kFileContainingExtension: {
        const auto& wanted = request.file_containing_extension();
        const auto* type = Pool().FindMessageTypeByName(wanted.containing_type());
        const auto* extension = type == nullptr
                                    ? nullptr
                                    : Pool().FindExtensionByNumber(type, wanted.extension_number());
        return AddFile(
            extension == nullptr ? nullptr : extension->file(),
            fmt::format("extension {} of {}", wanted.extension_number(), wanted.containing_type()),
            response);
      }
      case Request::kAllExtensionNumbersOfType:
        return AddExtensions(request.all_extension_numbers_of_type(), response);
      case Request::kListServices:
        for (const std::string& service : *services_) {
          response->mutable_list_services_response()->add_service()->set_name(service);
        }
        return;
      case Request::MESSAGE_REQUEST_NOT_SET:
        break;
    }
    auto* error = response->mutable_error_response();
    error->set_error_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
    error->set_error_message("the request asks for nothing that this server knows");
  }

  // A file and all that it needs, each once on a stream; its dependencies come before it.
  void AddFile(const FileDescriptor* file, const std::string& name,
               reflection::ServerReflectionResponse* response) {
    if (file == nullptr) {
      return SetNotFound(fmt::format("{} is not known to this server", name), response);
    }
    auto* files = response->mutable_file_descriptor_response();
    for (int i = 0; i < file->dependency_count(); ++i) {
      if (!sent_.contains(file->dependency(i)->name())) {
        AddFile(file->dependency(i), file->dependency(i)->name(), response);
      }
    }
    sent_.insert(file->name());
    google::protobuf::FileDescriptorProto proto;
    file->CopyTo(&proto);
    files->add_file_descriptor_proto(proto.SerializeAsString());
  }

  static void AddExtensions(const std::string& name,
                            reflection::ServerReflectionResponse* response) {
    const auto* type = Pool().FindMessageTypeByName(name);
    if (type == nullptr) {
      return SetNotFound(fmt::format("{} is not known to this server", name), response);
    }
    std::vector<const google::protobuf::FieldDescriptor*> extensions;
    Pool().FindAllExtensions(type, &extensions);
    auto* numbers = response->mutable_all_extension_numbers_response();
    numbers->set_base_type_name(name);
    for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
  }

  const std::shared_ptr<const std::set<std::string>> services_;
  std::set<std::string> sent_;  // files
};

}  // namespace

void AddReflectionService(MethodTable& methods) {
  auto services = std::make_shared<std::set<std::string>>(ServiceNames(methods));
  for (const std::string_view path : kPaths) services->emplace(ServiceOf(path));
  for (const std::string_view path : kPaths) {
    methods.bidi.push_back({std::string(path), [services](std::shared_ptr<BidiCall> call) {
                              return std::make_unique<ReflectionStream>(std::move(call), services);
                            }});
  }
}

}  // namespace mansio::rpc
