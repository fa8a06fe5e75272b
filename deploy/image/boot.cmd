# What U-Boot does on every board: choose a slot, count the attempt down, start the kernel that lies in the slot.
# Which slot is healthy is said by the running system (rauc mark-good); who never says it is not started a fourth time.
# Words between at signs are replaced when the card is made (deploy/image/boards.py).

setenv BOOT_ORDER "A B"
setenv BOOT_A_LEFT @TRIES@
setenv BOOT_B_LEFT @TRIES@
${devtype} dev ${devnum}
if ${devtype} read ${scriptaddr} @STATE_SECTOR@ 1; then
    env import -c ${scriptaddr} @STATE_BYTES@ BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
fi

setenv slot
for candidate in ${BOOT_ORDER}; do
    if test -n "${slot}"; then
        true
    elif test "${candidate}" = A && test ${BOOT_A_LEFT} -gt 0; then
        setenv slot A
        setenv part @PART_A@
        setenv partuuid @UUID_A@
        setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
    elif test "${candidate}" = B && test ${BOOT_B_LEFT} -gt 0; then
        setenv slot B
        setenv part @PART_B@
        setenv partuuid @UUID_B@
        setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
    fi
done

if test -z "${slot}"; then
    echo "gridlight: every slot has failed; both may try again"
    setenv BOOT_A_LEFT @TRIES@
    setenv BOOT_B_LEFT @TRIES@
fi
env export -c -s @STATE_BYTES@ ${scriptaddr} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
${devtype} write ${scriptaddr} @STATE_SECTOR@ 1
if test -z "${slot}"; then
    reset
fi

echo "gridlight: slot ${slot}, A ${BOOT_A_LEFT} and B ${BOOT_B_LEFT} attempts left"
setenv bootargs "root=PARTUUID=${partuuid} ro rauc.slot=${slot} panic=10 @ARGUMENTS@"
if load ${devtype} ${devnum}:${part} ${kernel_addr_r} /boot/vmlinuz; then
    @LOAD_TREE@
    if load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} /boot/initrd.img; then
        bootz ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} @TREE@
    fi
fi
echo "gridlight: slot ${slot} does not start"
sleep 3
reset
