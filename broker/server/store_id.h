#ifndef MANSIO_BROKER_SERVER_STORE_ID_H_
#define MANSIO_BROKER_SERVER_STORE_ID_H_

#include <string>

#include "absl/status/statusor.h"
#include "broker/replication/records.h"
#include "common/files/file_system.h"

namespace mansio::broker {

// The identity of a store directory of a broker group's member, in its file STORE_ID
// (docs/formats/store-id.md): what tells two processes with the same broker.id apart. Made at
// random when there is none, and on the disk when this returns. `directory`'s lock is held. Errors
// of the disk; DataLoss for a damaged file, FailedPrecondition for one of a newer version.
absl::StatusOr<StoreId> OpenStoreId(FileSystem* files, const std::string& directory);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_STORE_ID_H_
