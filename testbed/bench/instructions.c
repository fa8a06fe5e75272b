/* A plugin for QEMU's user emulation that counts the guest's instructions and prints their number when the guest ends.
 *
 * With the argument count=FILE the number lies in the first eight bytes of that file all the while, so that it can be
 * read of a whole emulated computer that runs, or was killed.
 *
 * The declarations are those of QEMU's plugin interface, version 1 (docs/devel/tcg-plugins), repeated here because
 * Debian ships no header for them. Counted is per translated block, inlined into the code that QEMU makes, so it costs
 * little. Single-threaded guests only.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

static uint64_t own;
static uint64_t *executed = &own;

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, executed,
                                             qemu_plugin_tb_n_insns(block));
}

static void on_exit_of_guest(qemu_plugin_id_t id, void *unused)
{
    (void)id;
    (void)unused;
    fprintf(stderr, "instructions %" PRIu64 "\n", *executed);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int at = 0; at < argc; at++) {
        if (!strncmp(argv[at], "count=", 6)) {
            int file = open(argv[at] + 6, O_RDWR | O_CREAT | O_TRUNC, 0644);
            if (file < 0 || ftruncate(file, sizeof own))
                return 1;
            executed = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            close(file);
            if (executed == MAP_FAILED)
                return 1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
