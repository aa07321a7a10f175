// How a slave's stream begins: whether it can be served, and where its log joins the master's.
#include <fmt/format.h>

#include <utility>

#include "broker/replication/master_peers.h"
#include "broker/replication/member_settings.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr BrokerId kMaxMember = 999;  // as broker.id
constexpr size_t kMaxIdentityBytes = 8 << 10;
constexpr size_t kMaxStoreBytes = 64;

std::string AddressOf(const v1::BrokerIdentity& identity) {
  if (identity.addresses().empty()) return "an unknown address";
  return fmt::format("{}:{}", identity.addresses(0).host(), identity.addresses(0).port());
}

// Two processes use one number: which they are and what to do.
std::string TwoProcesses(BrokerId id, bool are_copies, const std::string& first,
                         const std::string& second) {
  if (!are_copies) {
    return fmt::format(
        "two processes have broker.id {}: {} and {}; give one of them another broker.id", id, first,
        second);
  }
  return fmt::format(
      "two processes have broker.id {} and copies of one store: {} and {}; stop the one that is not "
      "the member. A further member has another broker.id, and begins with an empty store.path",
      id, first, second);
}

}  // namespace

absl::Status CheckHello(const v1::SlaveHello& hello, const std::string& cluster,
                        const std::string& broker, BrokerId self) {
  if (hello.cluster() != cluster || hello.broker() != broker) {
    return absl::FailedPreconditionError(
        fmt::format("this is the master of {}/{}, and the slave is one of {}/{}: correct its "
                    "replication.master, cluster or broker.name",
                    cluster, broker, hello.cluster(), hello.broker()));
  }
  if (hello.identity().ByteSizeLong() > kMaxIdentityBytes ||
      hello.store().size() > kMaxStoreBytes || hello.process().size() > kMaxStoreBytes) {
    return absl::InvalidArgumentError("the slave says too much of itself");
  }
  if (hello.id() < 1 || hello.id() > kMaxMember || hello.id() == self) {
    return absl::FailedPreconditionError(
        fmt::format("the slave's broker.id is {}; each member of a group has one of its own, "
                    "from 1 on, and the master's is {}",
                    hello.id(), self));
  }
  return absl::OkStatus();
}

absl::Status Master::CheckStore(Session session, const v1::SlaveHello& hello) {
  const BrokerId id = hello.id();
  const absl::Duration now = clock_->BootNow();
  const std::string address = AddressOf(hello.identity());
  const Lock lock(&shared_->mutex);
  const StoreId known_store = StoreOf(shared_->stores, id);
  for (const auto& [other, peer] : shared_->peers) {
    if (other == session || peer.id != id) continue;
    const bool is_another = IsAnotherStore(peer.store, hello.store());
    // Whose place it is comes before one that is to take it over.
    if (is_another && !shared_->Counts(peer) && hello.store() == known_store) continue;
    // One that was started again comes when the end of its stream, or nothing, was heard of it.
    const bool is_there = !peer.leaving && now - peer.heard < 2 * options_.heartbeat;
    const bool are_copies =
        !is_another && is_there && IsAnotherStore(peer.process, hello.process());
    if (!is_another && !are_copies) continue;
    const std::string why = TwoProcesses(id, are_copies, AddressOf(peer.identity), address);
    const auto known = shared_->refused.find(id);
    if (known == shared_->refused.end() || known->second.address != address) {
      LOG_ERROR("The second is refused: {}", why);
    }
    shared_->refused[id] = {address, now};
    if (are_copies) return absl::AlreadyExistsError(why);
    return absl::FailedPreconditionError(why);
  }
  if (keeps_set_ && shared_->set.members().contains(id) &&
      IsAnotherStore(known_store, hello.store())) {
    LOG_WARNING(
        "broker.id {} of {} has another store than before. If its disk was replaced, it joins when "
        "it has everything and the other was away for replication.max-lag; else two processes have "
        "this number: give one of them another broker.id",
        id, address);
  }
  return absl::OkStatus();
}

bool Master::LacksWhatIsHeldBy(const v1::SlaveHello& hello, store::LogOffset common) const {
  // One that is elected holds all that was acknowledged: others are not (Standing::whole).
  if (options_.election != nullptr) return false;
  if (!keeps_set_ || log_->WasSlave() || hello.log_end() <= common) return false;
  const Lock lock(&shared_->mutex);
  return shared_->set.members().contains(hello.id());
}

void Master::Hello(Session session, const v1::SlaveHello& hello) {
  absl::Status fits = CheckHello(hello, options_.cluster, options_.broker, options_.id);
  if (!fits.ok()) return End(session, fits);
  const absl::StatusOr<store::EpochHistory> epochs = ReignsFromWire(hello.reigns());
  if (!epochs.ok()) return End(session, epochs.status());
  const store::LogHistory own = log_->History();
  if (epochs->last() > own.epochs.last()) {
    return End(session, absl::FailedPreconditionError(fmt::format(
                            "the slave's log is of epoch {}, and this master's of epoch {}: "
                            "another broker has been master since. Make that one the master",
                            epochs->last(), own.epochs.last())));
  }
  const std::optional<store::LogOffset> common =
      store::CommonPoint(own, {*epochs, hello.log_begin(), hello.log_end()});
  if (!common.has_value()) return StartOver(session, hello, own);
  if (LacksWhatIsHeldBy(hello, *common)) {
    return End(session,
               absl::FailedPreconditionError(fmt::format(
                   "the slave holds {} bytes that this master has lost, from offset {} on, "
                   "and they may have been acknowledged: make the slave the master. If this one's "
                   "reign has not begun, stop it first",
                   hello.log_end() - *common, *common)));
  }
  v1::MasterWelcome welcome;
  welcome.set_start(*common);
  Welcome(session, hello, std::move(welcome));
}

void Master::StartOver(Session session, const v1::SlaveHello& hello, const store::LogHistory& own) {
  // What a member of the set has may have been acknowledged. One that has less than was trimmed
  // here has lost its disk: whoever trims waits for all of the set.
  if (keeps_set_ && hello.log_end() > own.begin && InSync().contains(hello.id())) {
    return End(session,
               absl::FailedPreconditionError(fmt::format(
                   "the logs have parted below what both still hold (the master's begins at {}, "
                   "the slave's at {}), and the slave is in the in-sync set: one of the two is "
                   "the wrong store. Start the one that was in sync last as the master",
                   own.begin, hello.log_begin())));
  }
  v1::MasterWelcome welcome;
  welcome.set_start(own.begin);
  welcome.set_start_over(true);
  Welcome(session, hello, std::move(welcome));
}

void Master::Welcome(Session session, const v1::SlaveHello& hello, v1::MasterWelcome welcome) {
  if (absl::Status store = CheckStore(session, hello); !store.ok()) return End(session, store);
  std::vector<Session> older;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [other, peer] : shared_->peers) {
      if (peer.id == hello.id()) older.push_back(other);
    }
  }
  for (const Session other : older) {
    End(other, absl::AbortedError("a newer stream of the same slave has come"));
  }
  const store::LogHistory own = log_->History();
  ReignsToWire(own.epochs, welcome.mutable_reigns());
  welcome.set_log_begin(own.begin);
  welcome.set_log_end(own.end);
  if (!Begin(session, hello, std::move(welcome))) {
    return End(session, absl::AbortedError("another stream of the same slave has come"));
  }
  if (!options_.identity) return;
  CompareSettings(hello.id(), hello.identity());
  TellMembers();
}

bool Master::Begin(Session session, const v1::SlaveHello& hello, v1::MasterWelcome welcome) {
  const Lock lock(&shared_->mutex);
  Peer* const peer = shared_->Find(session);
  if (peer == nullptr) return true;
  for (const auto& [other, another] : shared_->peers) {
    if (another.id == hello.id()) return false;
  }
  peer->id = hello.id();
  peer->store = hello.store();
  peer->process = hello.process();
  peer->identity = hello.identity();
  peer->next = welcome.start();
  peer->said = clock_->BootNow();
  v1::MasterMessage message;
  *message.mutable_welcome() = std::move(welcome);
  peer->stream->Send(std::move(message));
  shared_->known[peer->id] = peer->identity;
  // Whoever comes first has the number, where the set's records do not say.
  if (shared_->set.coming().contains(peer->id) && !peer->store.empty()) {
    StoreId& store = shared_->stores[peer->id];
    shared_->store_is_new = shared_->store_is_new || store.empty();
    if (store.empty()) store = peer->store;
  }
  if (shared_->Counts(*peer)) shared_->left.erase(peer->id);
  // What one that has left the set had says nothing of what this one has.
  if (!shared_->set.coming().contains(peer->id)) shared_->good.erase(peer->id);
  return true;
}

void Master::CompareSettings(BrokerId slave, const v1::BrokerIdentity& identity) {
  std::string difference = SettingsDifference(options_.identity(), identity);
  const Lock lock(&shared_->mutex);
  std::string& known = shared_->differs[slave];
  if (difference != known && !difference.empty()) {
    LOG_WARNING(
        "Slave {} of {}: {}. With it as the master an acknowledgement would mean something "
        "else",
        slave, options_.broker, difference);
  }
  known = std::move(difference);
}

void Master::TellMembers() {
  v1::MasterMessage message;
  v1::GroupMembers* const group = message.mutable_members();
  *group->add_members() = options_.identity();
  const Lock lock(&shared_->mutex);
  for (const auto& [id, identity] : shared_->known) *group->add_members() = identity;
  for (auto& [session, peer] : shared_->peers) {
    if (peer.id != 0) peer.stream->Send(message);
  }
}

}  // namespace mansio::broker
