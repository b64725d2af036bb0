<?php $a = []; for ($i = 0; $i < 200000; $i++) $a[$i * 7919 % 100003] = str_repeat("v$i", 2);
ksort($a); echo count($a), ' ', array_sum(array_map('strlen', $a)), ' ', md5(implode(',', $a)), "\n";
echo preg_match_all('/7\d*3/', implode(',', $a)), "\n"; unset($a); gc_collect_cycles(); echo shell_exec('echo child');
