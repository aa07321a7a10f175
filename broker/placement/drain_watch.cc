#include "broker/placement/drain_watch.h"

#include "broker/placement/unfinished.h"
#include "common/logging/logging.h"

namespace mansio::broker {

void DrainWatch::Look() {
  if (!metadata_->AnyDraining()) return;
  for (const TopicPtr& topic : metadata_->Topics()) {
    if (!topic->draining) continue;
    const Unfinished left = CountUnfinished(*metadata_, *consumption_, *topic, false);
    const bool finished = left.messages == 0;
    if (topic->finished.exchange(finished) == finished) continue;
    if (finished) {
      LOG_INFO("Topic {} is drained: its groups have finished what is here", topic->name);
    }
    changed_(topic);
  }
}

}  // namespace mansio::broker
