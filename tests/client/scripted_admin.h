#ifndef MANSIO_TESTS_CLIENT_SCRIPTED_ADMIN_H_
#define MANSIO_TESTS_CLIENT_SCRIPTED_ADMIN_H_

#include <map>
#include <memory>
#include <string>

namespace mansio::client {

// A node in this process that answers every unary call with what is written down for it.
class ScriptedAdmin {
 public:
  ScriptedAdmin();
  ~ScriptedAdmin();

  // By method, "ListBrokers" of mansio.v1.Admin or "QueryRoute" of the public service: the answer
  // in protobuf's text format. Its status is OK where it has none. "ListBrokers alone", where there
  // is one, for calls that the node is to answer for itself alone. Set while no call runs.
  std::map<std::string, std::string> answers;

  std::string endpoint() const;  // 127.0.0.1:PORT

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace mansio::client

#endif  // MANSIO_TESTS_CLIENT_SCRIPTED_ADMIN_H_
