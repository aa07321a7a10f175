#include "broker/server/store_id.h"

#include <fmt/format.h>

#include <random>
#include <vector>

#include "common/files/sealed_text.h"

namespace mansio::broker {
namespace {

constexpr size_t kMaxIdFileBytes = 1000;
constexpr size_t kStoreIdDigits = 32;
constexpr std::string_view kIdPrefix = "id ";
constexpr SealedText kIdText = {
    .name = "store-id",
    .damaged =
        "says which store this is to its broker group: remove it, and this broker begins as "
        "one whose disk was replaced",
    .unknown = "start the version that wrote it"};

StoreId NewStoreId() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

absl::StatusOr<StoreId> DecodeIdFile(const std::string& content, const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> lines = kIdText.Open(content, path);
  if (!lines.ok()) return lines.status();
  if (lines->size() != 1 || !lines->front().starts_with(kIdPrefix) ||
      lines->front().size() != kIdPrefix.size() + kStoreIdDigits) {
    return kIdText.Damaged(path);
  }
  return lines->front().substr(kIdPrefix.size());
}

}  // namespace

absl::StatusOr<StoreId> OpenStoreId(FileSystem* files, const std::string& directory) {
  const std::string path = JoinPath(directory, "STORE_ID");
  const absl::StatusOr<std::string> content = ReadWholeFile(*files, path, kMaxIdFileBytes);
  if (content.ok()) return DecodeIdFile(*content, path);
  if (!absl::IsNotFound(content.status())) return content.status();
  StoreId id = NewStoreId();
  const std::string made = kIdText.Seal(fmt::format("{}{}\n", kIdPrefix, id));
  if (absl::Status written = ReplaceFile(*files, path, made); !written.ok()) return written;
  return id;
}

}  // namespace mansio::broker
