#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/server.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "tests/common/rpc/test_client.h"

namespace mansio::rpc {
namespace {

namespace reflection = grpc::reflection::v1;
using ::testing::Contains;
using ::testing::ElementsAre;

class ReflectionTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    MethodTable methods;
    methods.unary.push_back(
        {"/grpc.health.v1.Other/Do", [](UnaryCall& call) { call.Finish(Payload()); }});
    auto server = Server::Start({.listen = "127.0.0.1:0"}, std::move(methods));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stream_ = std::make_unique<Stream>(
        Connect(server_->Address()),
        std::string("/grpc.reflection.") + GetParam() + ".ServerReflection/ServerReflectionInfo");
  }

  reflection::ServerReflectionResponse Ask(const reflection::ServerReflectionRequest& request) {
    reflection::ServerReflectionResponse response;
    EXPECT_TRUE(stream_->Write(request.SerializeAsString()));
    const auto bytes = stream_->Read();
    EXPECT_TRUE(bytes && response.ParseFromString(*bytes));
    return response;
  }
  std::vector<std::string> FilesOf(const reflection::ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }

  std::unique_ptr<Server> server_;
  std::unique_ptr<Stream> stream_;
};

TEST_P(ReflectionTest, ListsTheServices) {
  reflection::ServerReflectionRequest request;
  request.set_list_services("*");
  const auto response = Ask(request);
  EXPECT_EQ(response.original_request().list_services(), "*");
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  EXPECT_THAT(names, ElementsAre("grpc.health.v1.Health", "grpc.health.v1.Other",
                                 "grpc.reflection.v1.ServerReflection",
                                 "grpc.reflection.v1alpha.ServerReflection"));
}

TEST_P(ReflectionTest, GivesTheFileOfASymbolOrAName) {
  reflection::ServerReflectionRequest request;
  request.set_file_containing_symbol("grpc.health.v1.Health");
  EXPECT_THAT(FilesOf(Ask(request)), ElementsAre("grpc/health/v1/health.proto"));
  request.set_file_by_filename("grpc/reflection/v1/reflection.proto");
  EXPECT_THAT(FilesOf(Ask(request)), Contains("grpc/reflection/v1/reflection.proto"));
}

TEST_P(ReflectionTest, WhatIsNotThereIsSaidAndTheStreamGoesOn) {
  reflection::ServerReflectionRequest request;
  request.set_file_containing_symbol("no.such.Service");
  EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("no.such.Message");
  EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Ask({}).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_all_extension_numbers_of_type("grpc.health.v1.HealthCheckRequest");
  EXPECT_EQ(Ask(request).all_extension_numbers_response().base_type_name(),
            "grpc.health.v1.HealthCheckRequest");
}

TEST_P(ReflectionTest, TheStreamEndsWithTheClient) {
  ASSERT_TRUE(stream_->WritesDone());
  EXPECT_EQ(stream_->Read(), std::nullopt);
  EXPECT_TRUE(stream_->Finish().ok());
}

INSTANTIATE_TEST_SUITE_P(Versions, ReflectionTest, ::testing::Values("v1", "v1alpha"));

}  // namespace
}  // namespace mansio::rpc
