#include "client/lib/routes.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

namespace mansio::client {
namespace {

// SipHash-2-4 with the key bytes 00 01 … 0F that the SDKs share; the result's bytes are little
// endian.
uint64_t SipHash(std::string_view text) {
  static EVP_MAC* const kAlgorithm = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_new(kAlgorithm),
                                                                    &EVP_MAC_CTX_free);
  std::array<unsigned char, 16> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(i);
  size_t size = 8;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                   OSSL_PARAM_construct_end()};
  std::array<unsigned char, 8> digest{};
  EVP_MAC_init(context.get(), key.data(), key.size(), parameters);
  EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MAC_final(context.get(), digest.data(), &size, digest.size());
  uint64_t hash = 0;
  for (size_t i = digest.size(); i-- > 0;) hash = hash << 8 | digest[i];
  return hash;
}

std::vector<const RouteQueue*> Writable(const Route& route) {
  std::vector<const RouteQueue*> queues;
  for (const RouteQueue& queue : route) {
    if (queue.writable) queues.push_back(&queue);
  }
  return queues;
}

// The readable queues of each broker, in the order of the route.
std::vector<std::vector<const RouteQueue*>> ReadableByBroker(const Route& route) {
  std::vector<std::vector<const RouteQueue*>> brokers;
  for (const RouteQueue& queue : route) {
    if (!queue.readable) continue;
    auto same = std::find_if(brokers.begin(), brokers.end(), [&queue](const auto& queues) {
      return queues.front()->broker == queue.broker;
    });
    if (same == brokers.end()) same = brokers.emplace(brokers.end());
    same->push_back(&queue);
  }
  return brokers;
}

}  // namespace

std::vector<RouteQueue> SendCandidates(const Route& route, size_t start, size_t max,
                                       const IsIsolated& isolated) {
  const std::vector<const RouteQueue*> writable = Writable(route);
  std::vector<RouteQueue> one_per_broker;
  for (size_t i = 0; i < writable.size(); ++i) {
    const RouteQueue& queue = *writable[(start + i) % writable.size()];
    const bool known =
        std::any_of(one_per_broker.begin(), one_per_broker.end(),
                    [&queue](const RouteQueue& chosen) { return chosen.broker == queue.broker; });
    if (!known) one_per_broker.push_back(queue);
  }
  std::stable_partition(one_per_broker.begin(), one_per_broker.end(),
                        [&isolated](const RouteQueue& q) { return !isolated(q.endpoint); });
  if (one_per_broker.size() > max) one_per_broker.resize(max);
  return one_per_broker;
}

const RouteQueue* QueueForGroup(const Route& route, std::string_view message_group) {
  const std::vector<const RouteQueue*> writable = Writable(route);
  if (writable.empty()) return nullptr;
  return writable[SipHash(message_group) % writable.size()];
}

size_t ReadableBrokers(const Route& route) { return ReadableByBroker(route).size(); }

const RouteQueue* ReceiveQueue(const Route& route, size_t turn) {
  const auto brokers = ReadableByBroker(route);
  if (brokers.empty()) return nullptr;
  const std::vector<const RouteQueue*>& queues = brokers[turn % brokers.size()];
  return queues[turn / brokers.size() % queues.size()];
}

}  // namespace mansio::client
