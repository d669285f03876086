// SPDX-License-Identifier: BSD-3-Clause
// What an exchange brought is vetted before it is news.
#include "zones_parts.h"

#include <stdlib.h>

#include "log.h"
#include "vet.h"

#define NSEC3_ITERATIONS_MAX 150

// The end of an exchange, while the version that it brought is vetted.
struct vetting {
	struct vet *vet;
	struct zone_event event;
};

static void end_vetting(struct secondary *z)
{
	vet_stop(z->vetting->vet);
	free(z->vetting);
	z->vetting = NULL;
}

// What is being vetted is not wanted any more.
void secondary_drop_vetting(struct secondary *z)
{
	if (!z->vetting)
		return;
	end_vetting(z);
	zone_version_discard(z->fresh);
	z->fresh = NULL;
}

static struct vet_policy policy_of(const struct secondary *z)
{
	const struct config_dnssec *d = &z->zones->config->dnssec;
	return (struct vet_policy){
		.zonemd = config_zone_zonemd(z->config),
		.nsec3_iterations_max =
			d->nsec3_iterations.max ? *d->nsec3_iterations.max : NSEC3_ITERATIONS_MAX,
		.refuse_iterations = d->nsec3_iterations.above &&
				     *d->nsec3_iterations.above == CONFIG_ABOVE_REFUSE,
	};
}

static void warn_of_iterations(struct secondary *z, unsigned iterations)
{
	char name[NAME_TEXT_SIZE];
	if (iterations > policy_of(z).nsec3_iterations_max)
		log_limited(&z->zones->findings, LOG_LEVEL_WARNING,
			    "zone %s: NSEC3 with %u iterations, where 0 is best practice",
			    secondary_name(z, name), iterations);
}

// The version has been vetted: it is news, or the exchange failed after all.
static void judge(struct secondary *z, struct zone_event event, const struct vet_result *r)
{
	if (r->reason) {
		secondary_refuse(z, z->asked, r->reason);
		event.kind = ZONE_EVENT_XFR_FAILED;
		event.reason = r->reason;
	}
	if (!secondary_conclude(z, &event))
		return;
	if (r->nsec3_iterations != z->vetted.nsec3_iterations)
		warn_of_iterations(z, r->nsec3_iterations);
	z->vetted = (struct zone_vetted){ .zonemd = (uint8_t)r->zonemd,
					  .nsec3 = r->nsec3,
					  .nsec3_iterations = r->nsec3_iterations };
	secondary_note(z);
}

void secondary_restore_vetted(struct secondary *z, const struct zone_vetted *vetted)
{
	char name[NAME_TEXT_SIZE];
	struct vet_policy p = policy_of(z);
	z->vetted = *vetted;
	bool digest = p.zonemd == ZONEMD_REQUIRE && vetted->zonemd != ZONEMD_VERIFIED;
	bool costly = p.refuse_iterations && vetted->nsec3_iterations > p.nsec3_iterations_max;
	if (digest || costly)
		log_limited(
			&z->zones->findings, LOG_LEVEL_WARNING,
			"zone %s: it is served as it was stored, and would not be taken today: %s",
			secondary_name(z, name),
			xfr_reason_text(digest ? XFR_REASON_ZONEMD_MISSING
					       : XFR_REASON_NSEC3_ITERATIONS));
}

static void on_vetted(void *arg, const struct vet_result *result)
{
	struct secondary *z = arg;
	struct zone_event event = z->vetting->event;
	struct vet_result r = *result;
	end_vetting(z);
	judge(z, event, &r);
}

void secondary_vet(struct secondary *z, const struct zone_event *event)
{
	struct vet *vet;
	struct vet_result result;
	struct vet_options o = { .loop = z->zones->loop,
				 .version = z->fresh,
				 .policy = policy_of(z),
				 .done = on_vetted,
				 .arg = z };
	struct vetting *v = calloc(1, sizeof(*v));
	if (!v) {
		judge(z, *event, &(struct vet_result){ .reason = XFR_REASON_NO_MEMORY });
		return;
	}
	vet_start(&o, &vet, &result);
	if (!vet) {
		free(v);
		judge(z, *event, &result);
		return;
	}
	*v = (struct vetting){ .vet = vet, .event = *event };
	z->vetting = v;
	zones_advance(z->zones);
}
