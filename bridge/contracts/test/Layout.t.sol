// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Gateway} from "../src/Gateway.sol";
import {Vault} from "../src/Vault.sol";
import {WrappedToken} from "../src/WrappedToken.sol";
import {Test} from "forge-std/Test.sol";

/// @dev What genesis, proofs and other languages rely on.
contract LayoutTest is Test {
    function _artifact(string memory name, string memory key) private view returns (bytes memory) {
        string memory json = vm.readFile(string.concat("../artifacts/", name, ".json"));
        return vm.parseJsonBytes(json, key);
    }

    function test_the_committed_bytecode_is_this_build() public view {
        assertEq(_artifact("Vault", ".bytecode"), type(Vault).creationCode);
        assertEq(_artifact("Gateway", ".deployedBytecode"), type(Gateway).runtimeCode);
        bytes memory init = type(WrappedToken).creationCode;
        assertEq(_artifact("WrappedToken", ".bytecode"), init);
        assertEq(_artifact("WrappedToken", ".initCodeHash"), abi.encodePacked(keccak256(init)));
    }

    /// @dev The wrapped tokens' addresses on every live chain hang on this: it never changes.
    function test_the_init_code_of_wrapped_tokens_is_frozen() public pure {
        assertEq(
            keccak256(type(WrappedToken).creationCode),
            0xfa2fab8883d19db259d5ec1b85360a3171e06b96de4ecd30d2f61f0fd8ea3227
        );
    }

    function test_code_sizes() public pure {
        // Init code holds the runtime code, so it bounds it from above.
        assertLt(type(Vault).creationCode.length, 24_576);
        assertLt(type(Gateway).runtimeCode.length, 24_576);
    }
}
