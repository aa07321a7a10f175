#include "broker/server/store_id.h"

#include <fmt/format.h>

#include <random>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/crc/crc32c.h"

namespace mansio::broker {
namespace {

constexpr size_t kMaxIdFileBytes = 1000;
constexpr size_t kStoreIdDigits = 32;
constexpr char kIdFileHead[] = "mansio store-id ";

StoreId NewStoreId() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::string EncodeIdFile(const StoreId& id) {
  const std::string text = fmt::format("{}1\nid {}\n", kIdFileHead, id);
  return text + fmt::format("crc {:08x}\n", Crc32c(text));
}

absl::StatusOr<StoreId> DecodeIdFile(const std::string& content, const std::string& path) {
  const std::vector<std::string> lines = absl::StrSplit(content, '\n');
  if (lines[0].starts_with(kIdFileHead) && lines[0] != std::string(kIdFileHead) + "1") {
    return absl::FailedPreconditionError(fmt::format(
        "{} is of a newer version than this program knows: start the version that wrote it", path));
  }
  const StoreId id = lines.size() > 1 && lines[1].starts_with("id ") ? lines[1].substr(3) : "";
  if (id.size() == kStoreIdDigits && content == EncodeIdFile(id)) return id;
  return absl::DataLossError(
      fmt::format("{} is damaged, and says which store this is to its broker group: remove it, and "
                  "this broker begins as one whose disk was replaced",
                  path));
}

}  // namespace

absl::StatusOr<StoreId> OpenStoreId(FileSystem* files, const std::string& directory) {
  const std::string path = JoinPath(directory, "STORE_ID");
  const absl::StatusOr<std::string> content = ReadWholeFile(*files, path, kMaxIdFileBytes);
  if (content.ok()) return DecodeIdFile(*content, path);
  if (!absl::IsNotFound(content.status())) return content.status();
  StoreId id = NewStoreId();
  if (absl::Status written = ReplaceFile(*files, path, EncodeIdFile(id)); !written.ok()) {
    return written;
  }
  return id;
}

}  // namespace mansio::broker
