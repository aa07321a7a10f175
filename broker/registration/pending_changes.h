#ifndef MANSIO_BROKER_REGISTRATION_PENDING_CHANGES_H_
#define MANSIO_BROKER_REGISTRATION_PENDING_CHANGES_H_

#include <cstddef>
#include <string_view>

#include "broker/registration/registration_source.h"
#include "common/names/string_map.h"

namespace mansio::broker {

// The names that one nameserver has not been told about since they last changed: each once, so
// never more than there are topics and groups. Not thread-safe.
class PendingChanges {
 public:
  void AddTopic(std::string_view name) { topics_.emplace(name); }
  void AddGroup(std::string_view name) { groups_.emplace(name); }
  bool empty() const { return topics_.empty() && groups_.empty(); }
  void Clear();
  // Moves at most `limit` names to a value of their own.
  PendingChanges Take(size_t limit);
  // What `source` says of these names now.
  v1::Delta Describe(const RegistrationSource& source) const;

 private:
  StringSet topics_;
  StringSet groups_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_PENDING_CHANGES_H_
