#include "broker/election/records.h"

#include <fmt/format.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "nlohmann/json.hpp"

namespace mansio::broker {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Malformed(const std::string& key, const std::string& value) {
  return absl::DataLossError(
      fmt::format("the value of the key {} in etcd is malformed: {}. Nobody but the broker group's "
                  "members may change it",
                  key, value));
}

std::optional<uint64_t> Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

// That of `object`; nullopt when it has none, or one that no reign can have.
std::optional<store::Epoch> EpochOf(const Json& object) {
  const std::optional<uint64_t> epoch = Number(object, "epoch");
  return epoch.has_value() && *epoch <= store::kMaxEpoch ? epoch : std::nullopt;
}

std::optional<BrokerId> Id(const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT32_MAX) return std::nullopt;
  return static_cast<BrokerId>(value.get<uint64_t>());
}

std::optional<MasterRecord> DecodeMaster(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("id")) return std::nullopt;
  const std::optional<BrokerId> id = Id(json["id"]);
  const std::optional<store::Epoch> epoch = EpochOf(json);
  const auto address = json.find("address");
  if (!id || !epoch || address == json.end() || !address->is_string()) return std::nullopt;
  return MasterRecord{*id, *epoch, address->get<std::string>()};
}

// False when it is malformed.
bool DecodeStores(const Json& stores, StoreIds* decoded) {
  if (!stores.is_object()) return false;
  for (const auto& [key, store] : stores.items()) {
    BrokerId member = 0;
    if (!absl::SimpleAtoi(key, &member) || !store.is_string()) return false;
    (*decoded)[member] = store.get<std::string>();
  }
  return true;
}

std::optional<ElectionRecord> DecodeGroup(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("in_sync")) return std::nullopt;
  const std::optional<store::Epoch> epoch = EpochOf(json);
  const Json& members = json["in_sync"];
  if (!epoch || !members.is_array() || members.empty()) return std::nullopt;
  ElectionRecord group;
  group.epoch = *epoch;
  for (const Json& member : members) {
    const std::optional<BrokerId> id = Id(member);
    if (!id) return std::nullopt;
    group.in_sync.insert(*id);
  }
  if (json.contains("stores") && !DecodeStores(json["stores"], &group.stores)) return std::nullopt;
  if (json.contains("heir")) {
    group.heir = Id(json["heir"]);
    if (!group.heir) return std::nullopt;
  }
  return group;
}

std::optional<LostRecord> DecodeLost(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const std::optional<uint64_t> group = Number(json, "group");
  const std::optional<store::Epoch> epoch = EpochOf(json);
  const std::optional<uint64_t> end = Number(json, "end");
  if (!group || !epoch || !end) return std::nullopt;
  return LostRecord{static_cast<EtcdRevision>(*group), *epoch, *end};
}

// Of members that may have lost something, as far as they speak of the present group.
absl::Status DecodeAllLost(std::string_view prefix, const EtcdSnapshot& snapshot, GroupView* view) {
  const std::string beginning = fmt::format("{}lost/", prefix);
  for (auto found = snapshot.values.lower_bound(beginning);
       found != snapshot.values.end() && absl::StartsWith(found->first, beginning); ++found) {
    BrokerId member = 0;
    const std::optional<LostRecord> lost = DecodeLost(found->second.value);
    if (!absl::SimpleAtoi(found->first.substr(beginning.size()), &member) || !lost) {
      return Malformed(found->first, found->second.value);
    }
    if (view->group.has_value() && lost->group == view->group_modified) {
      view->lost[member] = *lost;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string ElectionPrefix(std::string_view cluster, std::string_view broker) {
  return fmt::format("/mansio/{}/{}/", cluster, broker);
}

std::string MasterKey(std::string_view prefix) { return std::string(prefix) + "master"; }

std::string GroupKey(std::string_view prefix) { return std::string(prefix) + "group"; }

std::string LostKey(std::string_view prefix, BrokerId member) {
  return fmt::format("{}lost/{}", prefix, member);
}

std::string EncodeMaster(const MasterRecord& master) {
  Json json;
  json["id"] = master.id;
  json["epoch"] = master.epoch;
  json["address"] = master.address;
  return json.dump();
}

std::string EncodeGroup(const ElectionRecord& group) {
  Json json;
  json["epoch"] = group.epoch;
  json["in_sync"] = group.in_sync;
  for (const auto& [member, store] : group.stores) json["stores"][fmt::to_string(member)] = store;
  if (group.heir.has_value()) json["heir"] = *group.heir;
  return json.dump();
}

std::string EncodeLost(const LostRecord& lost) {
  Json json;
  json["group"] = lost.group;
  json["epoch"] = lost.epoch;
  json["end"] = lost.end;
  return json.dump();
}

absl::StatusOr<GroupView> DecodeView(std::string_view prefix, const EtcdSnapshot& snapshot) {
  GroupView view;
  view.revision = snapshot.revision;
  if (const auto found = snapshot.values.find(MasterKey(prefix)); found != snapshot.values.end()) {
    view.master = DecodeMaster(found->second.value);
    if (!view.master.has_value()) return Malformed(found->first, found->second.value);
    view.master_created = found->second.created;
    view.master_lease = found->second.lease;
  }
  if (const auto found = snapshot.values.find(GroupKey(prefix)); found != snapshot.values.end()) {
    view.group = DecodeGroup(found->second.value);
    if (!view.group.has_value()) return Malformed(found->first, found->second.value);
    view.group_modified = found->second.modified;
  }
  if (absl::Status lost = DecodeAllLost(prefix, snapshot, &view); !lost.ok()) return lost;
  return view;
}

}  // namespace mansio::broker
