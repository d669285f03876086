// SPDX-License-Identifier: BSD-3-Clause
// What to paste at a zone's primaries, so that they let us transfer and send us NOTIFY.
//
// A primary with a key lets in whoever has the key; without one, our addresses. NOTIFY
// is accepted from the address that the primary is known by: it must send from there.
#include "primary_config.h"

#include <arpa/inet.h>
#include <string.h>

#include "base64.h"

struct writer {
	FILE *to;
	const struct config *config;
	const struct config_primary *primary;
	char zone[NAME_TEXT_SIZE], key[NAME_TEXT_SIZE]; // without the final dot
	char algorithm[32], secret[BASE64_TEXT(TSIG_SECRET_MAX)];
};

static const char *plain_name(const uint8_t *wire, char buf[NAME_TEXT_SIZE])
{
	size_t len = strlen(name_to_text(wire, buf));
	if (len > 1)
		buf[len - 1] = '\0';
	return buf;
}

static const char *host(const struct config_address *a, char buf[CONFIG_ADDRESS_TEXT])
{
	config_address_text(a, buf);
	*strchr(buf, '#') = '\0';
	return buf;
}

static unsigned port(const struct config_address *a)
{
	return ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
}

// Our addresses that the primary can reach, each by `one`, if that is not NULL, with host and
// port; returns their number. Where transfers come from is another question, if `sources`: one
// address if it is configured.
static unsigned write_ours(const struct writer *w, bool sources,
			   void (*one)(const struct writer *w, const char *host, unsigned port))
{
	char text[CONFIG_ADDRESS_TEXT];
	unsigned count = 0;
	const struct config_address *source = &w->primary->source;
	sa_family_t family = w->primary->address.any.sa_family;
	if (sources && source->any.sa_family != AF_UNSPEC) {
		if (one)
			one(w, host(source, text), 0);
		return 1;
	}
	for (unsigned i = 0; i < w->config->listen_count; i++) {
		const struct config_address *a = &w->config->listen[i].address;
		if (a->any.sa_family != family)
			continue;
		if (one)
			one(w, host(a, text), port(a));
		count++;
	}
	return count;
}

static bool has_ours(const struct writer *w, bool sources)
{
	return write_ours(w, sources, NULL) > 0;
}

// In the place of our addresses, a comment. Nothing is let in where nobody is named.
static void say_none(const struct writer *w, const char *comment, const char *what)
{
	fprintf(w->to,
		"%s %s: \"listen\" of this server names no IPv%c address; add one, or put it "
		"here\n",
		comment, what, w->primary->address.any.sa_family == AF_INET ? '4' : '6');
}

// ---- BIND

static void bind_source(const struct writer *w, const char *host_text, unsigned port_number)
{
	(void)port_number;
	fprintf(w->to, " %s;", host_text);
}

static void bind_target(const struct writer *w, const char *host_text, unsigned port_number)
{
	fprintf(w->to, " %s port %u", host_text, port_number);
	if (*w->key)
		fprintf(w->to, " key \"%s\"", w->key);
	fputc(';', w->to);
}

static void write_bind(const struct writer *w, const char *file)
{
	char text[CONFIG_ADDRESS_TEXT];
	const struct config_address *a = &w->primary->address;
	const char *v6 = a->any.sa_family == AF_INET6 ? "-v6" : "";
	host(a, text);
	fprintf(w->to, "// named.conf of %s\n", w->primary->id);
	if (*w->key)
		fprintf(w->to, "key \"%s\" {\n\talgorithm %s;\n\tsecret \"%s\";\n};\n", w->key,
			w->algorithm, w->secret);
	if (w->primary->tls)
		fprintf(w->to,
			"tls understudy {\n\tcert-file \"primary.pem\"; // its certificate\n"
			"\tkey-file \"primary.key\";\n\tprotocols { TLSv1.3; };\n};\n"
			"// in options: listen-on%s port %u tls understudy { %s; };\n",
			v6, port(a), text);
	fprintf(w->to, "zone \"%s\" {\n\ttype primary;\n\tfile \"%s.zone\"; // where it is\n",
		w->zone, file);
	if (!*w->key && !has_ours(w, true))
		say_none(w, "\t//", "allow-transfer");
	fputs("\tallow-transfer", w->to);
	if (w->primary->tls)
		fprintf(w->to, " port %u transport tls", port(a));
	fputs(" {", w->to);
	if (*w->key)
		fprintf(w->to, " key \"%s\";", w->key);
	else if (!write_ours(w, true, bind_source))
		fputs(" none;", w->to);
	fputs(" };\n", w->to);
	if (has_ours(w, false)) {
		fputs("\talso-notify {", w->to);
		write_ours(w, false, bind_target);
		fputs(" };\n", w->to);
	} else {
		say_none(w, "\t//", "also-notify");
	}
	fprintf(w->to, "\tnotify-source%s %s;\n};\n", v6, text);
}

// ---- Knot

static void knot_source(const struct writer *w, const char *host_text, unsigned port_number)
{
	(void)port_number;
	fprintf(w->to, "    address: \"%s\"\n", host_text);
}

static void knot_target(const struct writer *w, const char *host_text, unsigned port_number)
{
	fprintf(w->to, "    address: \"%s@%u\"\n", host_text, port_number);
}

// Knot lets everybody in by an acl that names nobody, and takes no remote without address.
static void write_knot(const struct writer *w)
{
	char text[CONFIG_ADDRESS_TEXT];
	const struct config_address *a = &w->primary->address;
	bool notify = has_ours(w, false), transfer = *w->key || has_ours(w, true);
	fprintf(w->to, "# knot.conf of %s\n", w->primary->id);
	if (*w->key)
		fprintf(w->to, "key:\n  - id: \"%s\"\n    algorithm: %s\n    secret: \"%s\"\n",
			w->key, tsig_algorithm_to_text(w->primary->key->algorithm), w->secret);
	if (w->primary->tls)
		fprintf(w->to, "# in server, from Knot 3.4 on: listen-tls: \"%s@%u\"\n",
			host(a, text), port(a));
	if (notify) {
		fputs("remote:\n  - id: understudy\n", w->to);
		write_ours(w, false, knot_target);
		fprintf(w->to, "    via: \"%s\"\n", host(a, text));
		if (*w->key)
			fprintf(w->to, "    key: \"%s\"\n", w->key);
	} else {
		say_none(w, "#", "remote, for notify");
	}
	if (transfer)
		fputs("acl:\n  - id: understudy\n    action: transfer\n", w->to);
	else
		say_none(w, "#", "acl");
	if (*w->key)
		fprintf(w->to, "    key: \"%s\"\n", w->key);
	else if (transfer)
		write_ours(w, true, knot_source);
	fprintf(w->to, "zone:\n  - domain: \"%s\"\n%s%s", w->zone,
		notify ? "    notify: understudy\n" : "", transfer ? "    acl: understudy\n" : "");
}

// ---- NSD

static const char *nsd_key(const struct writer *w)
{
	return *w->key ? w->key : "NOKEY";
}

static void nsd_source(const struct writer *w, const char *host_text, unsigned port_number)
{
	(void)port_number;
	fprintf(w->to, "    provide-xfr: %s %s\n", host_text, nsd_key(w));
}

static void nsd_target(const struct writer *w, const char *host_text, unsigned port_number)
{
	fprintf(w->to, "    notify: %s@%u %s\n", host_text, port_number, nsd_key(w));
}

static void write_nsd(const struct writer *w, const char *file)
{
	char text[CONFIG_ADDRESS_TEXT];
	const struct config_address *a = &w->primary->address;
	fprintf(w->to, "# nsd.conf of %s\n", w->primary->id);
	if (*w->key)
		fprintf(w->to, "key:\n    name: \"%s\"\n    algorithm: %s\n    secret: \"%s\"\n",
			w->key, tsig_algorithm_to_text(w->primary->key->algorithm), w->secret);
	if (w->primary->tls)
		fprintf(w->to,
			"# in server: tls-service-pem: \"primary.pem\", tls-service-key: "
			"\"primary.key\", tls-port: %u\n",
			port(a));
	fprintf(w->to, "zone:\n    name: \"%s\"\n    zonefile: \"%s.zone\" # where it is\n",
		w->zone, file);
	if (*w->key)
		nsd_source(w, a->any.sa_family == AF_INET ? "0.0.0.0/0" : "::/0", 0);
	else if (!write_ours(w, true, nsd_source))
		say_none(w, "    #", "provide-xfr");
	if (!write_ours(w, false, nsd_target))
		say_none(w, "    #", "notify");
	fprintf(w->to, "    outgoing-interface: %s\n", host(a, text));
}

// ---- PowerDNS

// In the quotes of a shell.
static void write_quoted(FILE *to, const char *text)
{
	fputc('\'', to);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", to);
		else
			fputc(*text, to);
	}
	fputc('\'', to);
}

static void pdnsutil(const struct writer *w, const char *command, const char *first)
{
	fprintf(w->to, "pdnsutil %s ", command);
	write_quoted(w->to, first);
}

static void pdns_source(const struct writer *w, const char *host_text, unsigned port_number)
{
	(void)port_number;
	fprintf(w->to, " %s", host_text);
}

static void pdns_target(const struct writer *w, const char *host_text, unsigned port_number)
{
	fprintf(w->to, strchr(host_text, ':') ? " [%s]:%u" : " %s:%u", host_text, port_number);
}

static void pdns_meta(const struct writer *w, const char *what, bool sources,
		      void (*one)(const struct writer *w, const char *host, unsigned port))
{
	if (!has_ours(w, sources)) {
		say_none(w, "#", what);
		return;
	}
	pdnsutil(w, "set-meta", w->zone);
	fprintf(w->to, " %s", what);
	write_ours(w, sources, one);
	fputc('\n', w->to);
}

static void write_powerdns(const struct writer *w)
{
	char text[CONFIG_ADDRESS_TEXT];
	fprintf(w->to, "# pdns.conf of %s: primary=yes, query-local-address=%s\n", w->primary->id,
		host(&w->primary->address, text));
	if (w->primary->tls)
		fputs("# PowerDNS gives no transfers over TLS: something in front of it must\n",
		      w->to);
	pdnsutil(w, "set-kind", w->zone);
	fputs(" primary\n", w->to);
	if (*w->key) {
		pdnsutil(w, "import-tsig-key", w->key);
		fprintf(w->to, " %s %s\n", tsig_algorithm_to_text(w->primary->key->algorithm),
			w->secret);
		pdnsutil(w, "activate-tsig-key", w->zone);
		fputc(' ', w->to);
		write_quoted(w->to, w->key);
		fputs(" primary\n", w->to);
	} else {
		pdns_meta(w, "ALLOW-AXFR-FROM", true, pdns_source);
	}
	pdns_meta(w, "ALSO-NOTIFY", false, pdns_target);
}

// ---- all

static void take_key(struct writer *w, const struct tsig_key *key)
{
	plain_name(key->name.wire, w->key);
	base64_encode(key->secret, key->secret_len, w->secret);
	snprintf(w->algorithm, sizeof(w->algorithm), key->mac_octets ? "%s-%u" : "%s",
		 tsig_algorithm_to_text(key->algorithm), key->mac_octets * 8u);
}

void primary_config_write(FILE *to, enum primary_kind kind, const struct config *config,
			  const struct config_zone *zone)
{
	char file[NAME_TEXT_SIZE];
	plain_name(zone->name, file);
	for (char *slash = file; (slash = strchr(slash, '/'));)
		*slash = '_';
	for (unsigned i = 0; i < zone->settings->primary_count; i++) {
		struct writer w = { .to = to,
				    .config = config,
				    .primary = zone->settings->primaries[i] };
		plain_name(zone->name, w.zone);
		if (w.primary->key)
			take_key(&w, w.primary->key);
		if (i)
			fputc('\n', to);
		switch (kind) {
		case PRIMARY_BIND: write_bind(&w, file); break;
		case PRIMARY_KNOT: write_knot(&w); break;
		case PRIMARY_NSD: write_nsd(&w, file); break;
		case PRIMARY_POWERDNS: write_powerdns(&w); break;
		}
		explicit_bzero(w.secret, sizeof(w.secret));
	}
}
