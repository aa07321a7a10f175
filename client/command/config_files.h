#ifndef MANSIO_CLIENT_COMMAND_CONFIG_FILES_H_
#define MANSIO_CLIENT_COMMAND_CONFIG_FILES_H_

#include <string>
#include <vector>

namespace mansio::command {

// The configuration keys of "broker" or "nameserver", asked of its program; none when that cannot
// be run.
std::vector<std::string> ConfigKeys(const std::string& server);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CONFIG_FILES_H_
